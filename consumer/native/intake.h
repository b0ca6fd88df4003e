/* Records of a batch, from the client's queue to what the first look says of them: of most of them no more is made. */
#ifndef MILESTONES_INTAKE_H
#define MILESTONES_INTAKE_H

#include "avro.h"
#include "facts.h"
#include "librdkafka.h"

enum { AT_A_TIME = 500, DESK = 256 << 10, NEAR = 4 << 10, CACHE_LINE = 64 };

/* What becomes of a message that is none of the looks' numbers. */
enum { NOT_LOOKED_AT = -4, LEFT = -5, TROUBLE = -6 };

typedef struct {
    int32_t untracked, unchanged;
} Passed;

/* A message that is told: the client's, or a copy of what it holds. */
typedef struct {
    Message *message; /* NULL where there is a copy */
    uint8_t *copy;
    Span key, value; /* `at` is NULL where there is none. */
    int64_t offset, timestamp;
    int timestamp_kind;
    int32_t partition, what, place;
    size_t kept;           /* The place of its facts, or NOT_KEPT. */
    Passed passed;         /* of its partition, before it */
    int32_t passed_of_all; /* of all partitions, before it */
} Taken;

/* What is known of a partition that is read: below `floor` nothing is passed over. Its last message is `left` if that
   was passed over, and else the one with the number `last`; -1 where there is none. */
typedef struct {
    const char *topic;
    int32_t partition;
    int64_t floor;
    Passed passed;
    ptrdiff_t last;
    Taken left;
} Place;

/* `taken` has room for as many messages as are taken at most, `message` for AT_A_TIME. */
typedef struct {
    Place *place;
    ptrdiff_t places, at; /* `at`: of the last message's partition */
    Taken *taken;
    Message **message;
    ptrdiff_t told, count, records; /* in `taken`; consumed; of partitions that are read */
    int32_t passed;
    int64_t bytes, passed_bytes;
    int holds; /* Whether a message that is told could not be copied: what came with it is held, too. */
    int failed;
} Intake;

/* Where the texts of some records lie, one behind the other with a 0 between them: those of the last ones are looked at
   once more with the next. */
typedef struct {
    uint8_t *at;
    size_t used, size;
    Memories memories;
} Desk;

/* A copy of a text; NULL without memory. */
static Text put_on(Desk *desk, const void *text, size_t length)
{
    if (length >= desk->size - desk->used) {
        size_t size = length + 1 > DESK ? length + 1 : DESK;
        if (size > desk->size) {
            uint8_t *larger = malloc(size);
            if (larger == NULL)
                return NULL;
            free(desk->at);
            desk->at = larger;
            desk->size = size;
        }
        desk->used = 0;
        for (int at = 0; at < MEMORIES; at++)
            forget(&desk->memories.row[at], NULL);
        forget(&desk->memories.source, NULL);
    }
    uint8_t *copy = desk->at + desk->used;
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = 0;
    desk->used += length + 1;
    return copy;
}

/* Facts lie in the copy of a text, which does not stay: they are to lie in what is told. */
static void move_facts(Span *span, size_t count, Text copy, Text text)
{
    for (size_t at = 0; at < count; at++)
        if (span[at].length > 0)
            span[at].at = text + (span[at].at - copy);
}

/* The place of a message's partition; -1 where it is not read. */
static ptrdiff_t place_of_message(Intake *intake, const Message *message)
{
    ptrdiff_t at = intake->at;
    for (ptrdiff_t tried = 0; tried < intake->places; tried++) {
        const Place *place = &intake->place[at];
        if (place->partition == message->partition &&
            strcmp(place->topic, librdkafka.topic_name(message->topic)) == 0)
            return intake->at = at;
        at = at + 1 < intake->places ? at + 1 : 0;
    }
    return -1;
}

/* What a message holds, where it lies. */
static void describe(Taken *taken)
{
    const Message *message = taken->message;
    taken->key = (Span){message->key, message->key_len};
    taken->value = (Span){message->payload, message->len};
    taken->partition = message->partition;
    taken->offset = message->offset;
    taken->timestamp = librdkafka.message_timestamp(message, &taken->timestamp_kind);
}

static void let_go(Taken *taken)
{
    if (taken->message != NULL)
        librdkafka.message_destroy(taken->message);
    free(taken->copy);
    taken->message = NULL;
    taken->copy = NULL;
}

/* Takes what a message holds out of it: hundreds of others came with it, and are in memory as long as one of them is.
   It stays where it is with headers, or without memory. */
static void copy_out(Taken *taken)
{
    void *headers;
    if (librdkafka.message_headers(taken->message, &headers) != ERR_NOENT)
        return;
    Span *value = &taken->value, *key = &taken->key;
    uint8_t *copy = malloc(value->length + key->length + 1);
    if (copy == NULL)
        return;
    if (value->at != NULL)
        value->at = memcpy(copy, value->at, value->length);
    if (key->at != NULL)
        key->at = memcpy(copy + value->length, key->at, key->length);
    librdkafka.message_destroy(taken->message);
    taken->message = NULL;
    taken->copy = copy;
}

/* What is said of a value whose facts, if they are kept, lie in `*copy`. */
static void look_at_message(Taken *taken, const Plan *plan, const Programs *programs, Desk *desk, Facts *facts,
                            Text *copy)
{
    const Message *message = taken->message;
    if ((*copy = put_on(desk, message->payload, message->len)) == NULL)
        taken->what = CLOSER;
    else if (**copy == 0)
        taken->what = wired_says(*copy, message->len, programs);
    else {
        Envelope envelope;
        taken->what = envelope_says(*copy, message->len, plan, &desk->memories, &envelope);
        if (taken->what >= 0)
            taken->kept = keep(facts, &envelope, &plan->table[taken->what]);
    }
}

/* What is looked at next, asked of memory meanwhile: another thread wrote it, and it is in no cache that is near. */
static void bring_near(const Message *message)
{
    const char *text = message->payload;
    size_t near = message->len < NEAR ? message->len : NEAR;
    for (size_t at = 0; at < near; at += CACHE_LINE)
        __builtin_prefetch(text + at);
}

/* Of one that is passed over nothing is told, unless it is the last of its partition. */
static void pass_over(Intake *intake, Taken *taken, Place *place)
{
    place->passed.untracked += taken->what == UNTRACKED;
    place->passed.unchanged += taken->what == UNCHANGED;
    intake->passed++;
    intake->passed_bytes += (int64_t)taken->message->len;
    taken->what = LEFT;
    place->left = *taken;
    place->last = -1;
}

/* What becomes of a message; without a plan it is not looked at. */
static void sort_out(Intake *intake, Message *message, const Plan *plan, const Programs *programs, Desk *desk,
                     Facts *facts)
{
    Taken taken = {.message = message, .what = TROUBLE, .place = -1, .kept = NOT_KEPT};
    if (message->err != 0) {
        intake->taken[intake->told++] = taken;
        return;
    }
    intake->bytes += (int64_t)message->len;
    if ((taken.place = (int32_t)place_of_message(intake, message)) < 0) {
        let_go(&taken);
        return;
    }
    Place *place = &intake->place[taken.place];
    Text copy = NULL;
    taken.what = NOT_LOOKED_AT;
    if (plan != NULL)
        look_at_message(&taken, plan, programs, desk, facts, &copy);
    taken.passed = place->passed;
    taken.passed_of_all = intake->passed;
    intake->records++;
    let_go(&place->left);
    if (message->offset >= place->floor && (taken.what == UNTRACKED || taken.what == UNCHANGED)) {
        pass_over(intake, &taken, place);
        return;
    }
    describe(&taken);
    copy_out(&taken);
    intake->holds |= taken.message != NULL;
    if (taken.kept != NOT_KEPT)
        move_facts(facts->span + taken.kept, kept_of(&plan->table[taken.what]), copy, taken.value.at);
    place->last = intake->told;
    intake->taken[intake->told++] = taken;
}

/* What is passed over counts a quarter, since it is not held; all of it, once something that may have come with it is. */
static int64_t weight(const Intake *intake)
{
    return intake->bytes - (intake->holds ? 0 : intake->passed_bytes / 4 * 3);
}

/* Takes what comes, without waiting once there is something, and looks at it while the client fetches more. */
static void take_messages(Intake *intake, void *queue, ptrdiff_t most, int64_t most_bytes, int timeout_ms,
                          const Plan *plan, const Programs *programs, Desk *desk, Facts *facts)
{
    ptrdiff_t wanted = 1;
    while (intake->count < most && weight(intake) < most_bytes) {
        const ssize_t came = librdkafka.consume_batch_queue(queue, timeout_ms, intake->message, (size_t)wanted);
        if (came <= 0) {
            intake->failed = came < 0;
            return;
        }
        for (ssize_t at = 0; at < came; at++) {
            if (plan != NULL && at + 1 < came)
                bring_near(intake->message[at + 1]);
            sort_out(intake, intake->message[at], plan, programs, desk, facts);
        }
        intake->count += came;
        wanted = most - intake->count < AT_A_TIME ? most - intake->count : AT_A_TIME;
        timeout_ms = 0;
    }
}

/* Gives back to the client what is still held. */
static void let_all_go(Intake *intake)
{
    for (ptrdiff_t at = 0; at < intake->told; at++)
        let_go(&intake->taken[at]);
    for (ptrdiff_t at = 0; at < intake->places; at++)
        let_go(&intake->place[at].left);
}

#endif
