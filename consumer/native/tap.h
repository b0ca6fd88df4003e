/* A queue of one's own for the records of a consumer's partitions, so that nobody makes Python's objects of them; and
   the way into a producer, with the first delivery that failed.

   The client itself is the one that Python made: it tells of itself as librdkafka's plugins are told (`conf_init`).
   Its own queue is left to Python, which serves rebalances there. Errors that are no messages come with either queue,
   and Python's callback for them may run only while Python's client is called: a consumer's are noted here instead. */
#ifndef MILESTONES_TAP_H
#define MILESTONES_TAP_H

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "librdkafka.h"

/* This file, as the loader calls it: whoever loads it by another name may load it a second time. */
static const char *own_file(void)
{
    Dl_info info;
    return dladdr(&librdkafka, &info) == 0 ? NULL : info.dli_fname;
}

/* 1 where all of it is there, in what a file that is already loaded depends on; from then on it is that one's. */
static int find_librdkafka(const char *file)
{
    static const char *const names[] = {
        "rd_kafka_conf_new", "rd_kafka_conf_destroy", "rd_kafka_conf_get", "rd_kafka_type", "rd_kafka_conf_set_error_cb",
        "rd_kafka_conf_interceptor_add_on_new",
        "rd_kafka_interceptor_add_on_destroy", "rd_kafka_interceptor_add_on_acknowledgement", "rd_kafka_queue_new",
        "rd_kafka_queue_destroy", "rd_kafka_queue_get_partition", "rd_kafka_queue_forward",
        "rd_kafka_consume_batch_queue",
        "rd_kafka_message_destroy", "rd_kafka_message_timestamp", "rd_kafka_message_headers",
        "rd_kafka_header_get_all", "rd_kafka_topic_name", "rd_kafka_message_errstr",
        "rd_kafka_headers_new", "rd_kafka_header_add", "rd_kafka_headers_destroy", "rd_kafka_producev",
    };
    enum { COUNT = sizeof names / sizeof *names };
    void *found[COUNT], *library = dlopen(file, RTLD_NOW | RTLD_NOLOAD);
    _Static_assert(sizeof found == sizeof librdkafka, "a name for each function, in their order");
    if (library == NULL)
        return 0;
    int all = 1;
    for (size_t at = 0; at < COUNT; at++)
        all = all && (found[at] = dlsym(library, names[at])) != NULL;
    if (all && librdkafka.conf_new == NULL)
        memcpy(&librdkafka, found, sizeof found);
    dlclose(library);
    return all && memcmp(&librdkafka, found, sizeof found) == 0;
}

/* Whether it was built to take plugins. */
static int takes_plugins(void)
{
    char features[1024] = "";
    size_t size = sizeof features;
    void *conf = librdkafka.conf_new();
    int found = librdkafka.conf_get(conf, "builtin.features", features, &size) == 0;
    librdkafka.conf_destroy(conf);
    return found && strstr(features, "plugins") != NULL;
}

enum { LONGEST_TOPIC = 249, LONGEST_ERROR = 511, ERRORS = 16 };

/* An event that was not delivered: the client's number for why, or 0. */
typedef struct {
    int why;
    char topic[LONGEST_TOPIC + 1];
} Failure;

typedef struct {
    int code;
    char text[LONGEST_ERROR + 1];
} Error;

/* `client` is NULL once it was destroyed. Whoever looks at `failure` or `error` holds it meanwhile. */
typedef struct Tap {
    _Atomic(void *) client;
    struct Tap *before;
    void *queue;
    atomic_flag is_held;
    Failure failure;
    int errors;
    Error *error; /* a consumer's: room for ERRORS of them */
} Tap;

static _Atomic(Tap *) newest; /* of consumers */
static _Thread_local Tap *made; /* for the last client that this thread made with the plugin */

static int on_destroy(void *client, void *opaque)
{
    (void)client;
    atomic_store(&((Tap *)opaque)->client, NULL);
    return 0;
}

/* Waits a few instructions long. */
static void hold(Tap *tap)
{
    while (atomic_flag_test_and_set(&tap->is_held))
        continue;
}

/* Called for every event, by the client's threads. What counts is the first that failed; but one that was given up only
   because of others tells nothing of the reason. */
static int on_acknowledgement(void *client, Message *message, void *opaque)
{
    (void)client;
    Tap *tap = opaque;
    if (message->err == 0)
        return 0;
    hold(tap);
    const int known = tap->failure.why;
    if (known == 0 || (is_given_up(known) && !is_given_up(message->err))) {
        tap->failure.why = message->err;
        strncpy(tap->failure.topic, message->topic == NULL ? "" : librdkafka.topic_name(message->topic), LONGEST_TOPIC);
    }
    atomic_flag_clear(&tap->is_held);
    return 0;
}

/* The failure since this was asked last. */
static Failure tap_take_failure(Tap *tap)
{
    hold(tap);
    Failure failure = tap->failure;
    tap->failure.why = 0;
    atomic_flag_clear(&tap->is_held);
    return failure;
}

/* Of each kind the first: there are a dozen that one has to act on. */
static void note_error(Tap *tap, int code, const char *text)
{
    int at = 0;
    hold(tap);
    while (at < tap->errors && tap->error[at].code != code)
        at++;
    if (at == tap->errors && at < ERRORS) {
        tap->errors++;
        tap->error[at].code = code;
        strncpy(tap->error[at].text, text == NULL ? "" : text, LONGEST_ERROR);
    }
    atomic_flag_clear(&tap->is_held);
}

/* Called by whichever thread serves a queue of the client. */
static void on_error(void *client, int code, const char *text, void *opaque)
{
    (void)opaque;
    Tap *tap = atomic_load(&newest);
    while (tap != NULL && atomic_load(&tap->client) != client)
        tap = tap->before;
    if (tap != NULL)
        note_error(tap, code, text);
}

/* The errors since this was asked last; how many there are. */
static int tap_take_errors(Tap *tap, Error error[ERRORS])
{
    hold(tap);
    const int errors = tap->errors;
    for (int at = 0; at < errors; at++)
        error[at] = tap->error[at];
    tap->errors = 0;
    atomic_flag_clear(&tap->is_held);
    return errors;
}

/* Puts `on_error` where Python's client has put its own, in the configuration of a client that does not run yet. That
   one is not meant to be written to any more: whether it was is asked. */
static int hears_errors(Tap *tap, const void *conf)
{
    char text[32] = "";
    size_t size = sizeof text;
    void *found = NULL;
    if ((tap->error = calloc(ERRORS, sizeof *tap->error)) == NULL)
        return 0;
    librdkafka.conf_set_error_cb((void *)(uintptr_t)conf, on_error);
    return librdkafka.conf_get(conf, "error_cb", text, &size) == 0 && sscanf(text, "%p", &found) == 1 &&
           found == (void *)(uintptr_t)on_error;
}

/* A tap is never freed: its client tells it. */
static int on_new(void *client, const void *conf, void *opaque, char *error, size_t error_size)
{
    (void)opaque, (void)error, (void)error_size;
    Tap *tap = calloc(1, sizeof *tap);
    int refused = tap == NULL || (librdkafka.type(client) == A_CONSUMER && !hears_errors(tap, conf)) ||
                  librdkafka.interceptor_add_on_destroy(client, "milestones", on_destroy, tap) != 0 ||
                  librdkafka.interceptor_add_on_acknowledgement(client, "milestones", on_acknowledgement, tap) != 0;
    if (!refused)
        atomic_store(&tap->client, client);
    if (!refused && tap->error != NULL) {
        tap->before = atomic_load(&newest);
        while (!atomic_compare_exchange_weak(&newest, &tap->before, tap))
            continue;
    }
    made = refused ? NULL : tap;
    return 0;
}

/* What librdkafka calls of its plugins; nothing comes of it where nobody has asked for a tap. */
__attribute__((visibility("default"))) int conf_init(void *conf, void **opaque, char *error, size_t error_size)
{
    (void)opaque, (void)error, (void)error_size;
    if (librdkafka.conf_new == NULL)
        return 0;
    return librdkafka.conf_interceptor_add_on_new(conf, "milestones", on_new, NULL);
}

/* For the client that this thread made last; NULL where there is none. */
static Tap *open_made(void)
{
    Tap *tap = made;
    made = NULL;
    void *client = tap == NULL ? NULL : atomic_load(&tap->client);
    if (client == NULL)
        return NULL;
    tap->queue = librdkafka.queue_new(client);
    return tap;
}

/* Always before the client is closed, which would wait for what is left here. That is dropped. */
static void tap_close(Tap *tap)
{
    void *queue = tap->queue;
    tap->queue = NULL;
    if (queue != NULL && atomic_load(&tap->client) != NULL)
        librdkafka.queue_destroy(queue);
}

/* Before a partition is assigned: from then on its records come here. */
static int tap_forward(Tap *tap, const char *topic, int32_t partition)
{
    void *client = atomic_load(&tap->client);
    void *from = client == NULL || tap->queue == NULL ? NULL : librdkafka.queue_get_partition(client, topic, partition);
    if (from == NULL)
        return 0;
    librdkafka.queue_forward(from, tap->queue);
    librdkafka.queue_destroy(from);
    return 1;
}

#endif
