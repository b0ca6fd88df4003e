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

/* What is known of a partition that is read: below `floor` nothing is passed over. */
typedef struct {
    const char *topic;
    int32_t partition;
    int64_t floor;
    Passed passed;
    ptrdiff_t last; /* the number of its last message, or -1 */
} Place;

typedef struct {
    Message *message;
    int32_t what, place;
    size_t kept;           /* The place of its facts, or NOT_KEPT. */
    Passed passed;         /* of its partition, before it */
    int32_t passed_of_all; /* of all partitions, before it */
} Taken;

typedef struct {
    Place *place;
    ptrdiff_t places, at; /* `at`: of the last message's partition */
    Taken *taken;
    Message **message;
    ptrdiff_t count, records;
    int32_t passed;
    int64_t bytes;
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

/* Facts lie in the copy of a text, which does not stay: they are to lie in the text itself. */
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

/* Takes what comes, without waiting once there is something; what was taken is the caller's to destroy. */
static void take_messages(Intake *intake, void *queue, ptrdiff_t most, int64_t most_bytes, int timeout_ms)
{
    ptrdiff_t wanted = 1;
    while (intake->count < most && intake->bytes < most_bytes) {
        ssize_t came = librdkafka.consume_batch_queue(queue, timeout_ms, intake->message + intake->count, (size_t)wanted);
        if (came <= 0) {
            intake->failed = came < 0;
            return;
        }
        for (ssize_t at = 0; at < came; at++) {
            const Message *message = intake->message[intake->count + at];
            intake->bytes += message->err == 0 ? (int64_t)message->len : 0;
        }
        intake->count += came;
        wanted = most - intake->count < AT_A_TIME ? most - intake->count : AT_A_TIME;
        timeout_ms = 0;
    }
}

static void look_at_message(Taken *taken, const Plan *plan, const Programs *programs, Desk *desk, Facts *facts)
{
    const Message *message = taken->message;
    Text copy = put_on(desk, message->payload, message->len);
    if (copy == NULL)
        taken->what = CLOSER;
    else if (*copy == 0)
        taken->what = wired_says(copy, message->len, programs);
    else {
        Envelope envelope;
        taken->what = envelope_says(copy, message->len, plan, &desk->memories, &envelope);
        if (taken->what >= 0 && (taken->kept = keep(facts, &envelope, &plan->table[taken->what])) != NOT_KEPT)
            move_facts(facts->span + taken->kept, kept_of(&plan->table[taken->what]), copy, message->payload);
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

/* What becomes of each message; without a plan none is looked at. */
static void sort_out(Intake *intake, const Plan *plan, const Programs *programs, Desk *desk, Facts *facts)
{
    for (ptrdiff_t at = 0; at < intake->count; at++) {
        Taken *taken = &intake->taken[at];
        Message *message = intake->message[at];
        *taken = (Taken){message, TROUBLE, -1, NOT_KEPT, {0, 0}, 0};
        if (plan != NULL && at + 1 < intake->count)
            bring_near(intake->message[at + 1]);
        if (message->err != 0)
            continue;
        taken->what = LEFT;
        if ((taken->place = (int32_t)place_of_message(intake, message)) < 0)
            continue;
        Place *place = &intake->place[taken->place];
        taken->what = NOT_LOOKED_AT;
        if (plan != NULL)
            look_at_message(taken, plan, programs, desk, facts);
        taken->passed = place->passed;
        taken->passed_of_all = intake->passed;
        place->last = at;
        intake->records++;
        if (message->offset < place->floor || (taken->what != UNTRACKED && taken->what != UNCHANGED))
            continue;
        place->passed.untracked += taken->what == UNTRACKED;
        place->passed.unchanged += taken->what == UNCHANGED;
        intake->passed++;
        taken->what = LEFT;
    }
}

#endif
