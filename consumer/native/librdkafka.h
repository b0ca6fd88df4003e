/* What is used of librdkafka's public interface (rdkafka.h, since 2.0). Functions are found in the library that the
   Python client has loaded: nothing is linked, and nothing is used before they were found (tap.h). */
#ifndef MILESTONES_LIBRDKAFKA_H
#define MILESTONES_LIBRDKAFKA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    int err;
    void *topic;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *private_;
} Message;

typedef int OnNew(void *client, const void *conf, void *opaque, char *error, size_t error_size);
typedef int OnDestroy(void *client, void *opaque);
typedef int OnAcknowledgement(void *client, Message *message, void *opaque);
typedef void OnError(void *client, int code, const char *text, void *opaque);

typedef struct {
    void *(*conf_new)(void);
    void (*conf_destroy)(void *conf);
    int (*conf_get)(const void *conf, const char *name, char *to, size_t *size);
    int (*type)(const void *client);
    void (*conf_set_error_cb)(void *conf, OnError *on_error);
    int (*conf_interceptor_add_on_new)(void *conf, const char *name, OnNew *on_new, void *opaque);
    int (*interceptor_add_on_destroy)(void *client, const char *name, OnDestroy *on_destroy, void *opaque);
    int (*interceptor_add_on_acknowledgement)(void *client, const char *name, OnAcknowledgement *on, void *opaque);
    void *(*queue_new)(void *client);
    void (*queue_destroy)(void *queue);
    void *(*queue_get_partition)(void *client, const char *topic, int32_t partition);
    void (*queue_forward)(void *from, void *to);
    ssize_t (*consume_batch_queue)(void *queue, int timeout_ms, Message **messages, size_t count);
    void (*message_destroy)(Message *message);
    int64_t (*message_timestamp)(const Message *message, int *kind);
    int (*message_headers)(const Message *message, void **headers);
    int (*header_get_all)(const void *headers, size_t at, const char **name, const void **value, size_t *size);
    const char *(*topic_name)(const void *topic);
    const char *(*message_errstr)(const Message *message);
    void *(*headers_new)(size_t count);
    int (*header_add)(void *headers, const char *name, ssize_t length, const void *value, ssize_t size);
    void (*headers_destroy)(void *headers);
    int (*producev)(void *client, ...);
} Librdkafka;

static Librdkafka librdkafka;

enum { A_CONSUMER = 1 };
enum { ERR_NOENT = -156, ERR_PURGE_QUEUE = -152, ERR_PURGE_INFLIGHT = -151 };

/* Of an event that was not sent any more, because of something else. */
static inline int is_given_up(int why)
{
    return why == ERR_PURGE_QUEUE || why == ERR_PURGE_INFLIGHT;
}

#endif
