/* The texts once more, taken from a queue as from librdkafka's: what is told of them there must be what was said of them
   alone, or the program ends with 3. */
#ifndef MILESTONES_TESTS_QUEUE_H
#define MILESTONES_TESTS_QUEUE_H

#include "intake.h"

/* A text, and what was said of it alone. */
typedef struct {
    Span text;
    int32_t says;
    size_t kept; /* The place of its facts, or NOT_KEPT. */
} Case;

/* What the queue holds. The offset is the number of the message; one is handed out as a copy, once. */
typedef struct {
    Message message;
    const Case *of;
    int is_destroyed;
} Queued;

/* Messages come in pieces of changing size; `piece` is where the last one begins. */
typedef struct {
    Queued *queued;
    size_t count, at, piece;
} Queue;

enum { PLACES = 3, NOBODYS_PARTITION = 2, SOME_CODE = -191 };

/* Whether every fifth message has headers; what they are nobody asks. */
static int with_headers;

static void must(int holds)
{
    if (!holds)
        exit(3);
}

static int has_headers(int64_t offset)
{
    return with_headers && offset % 5 == 0;
}

static ssize_t consume(void *from, int timeout_ms, Message **messages, size_t count)
{
    Queue *queue = from;
    size_t came = 0, most = timeout_ms > 0 ? 1 : 1 + queue->at % 700;
    queue->piece = queue->at;
    for (; came < count && came < most && queue->at < queue->count; came++) {
        Queued *queued = &queue->queued[queue->at++];
        Message *copy = malloc(sizeof *copy);
        if (copy == NULL)
            exit(1);
        *copy = queued->message;
        copy->private_ = queued;
        messages[came] = copy;
    }
    return (ssize_t)came;
}

static const char *topic_name(const void *topic)
{
    return topic;
}

static int64_t message_timestamp(const Message *message, int *kind)
{
    *kind = (int)(message->offset % 3);
    return 1000 + message->offset;
}

static int message_headers(const Message *message, void **headers)
{
    *headers = NULL;
    return !has_headers(message->offset) ? ERR_NOENT : message->offset % 10 == 0 ? 0 : SOME_CODE;
}

/* Its bytes are there no more, nor is it: the sanitizer sees who reads either, or destroys it twice. */
static void message_destroy(Message *message)
{
    Queued *queued = message->private_;
    queued->is_destroyed = 1;
    free(message->payload);
    free(message->key);
    free(message);
}

static int same_span(Span span, const void *bytes, size_t length)
{
    return (span.at == NULL) == (bytes == NULL) && span.length == length &&
           (length == 0 || memcmp(span.at, bytes, length) == 0);
}

static uint8_t key_byte(const Message *message)
{
    return (uint8_t)(message->offset * 31);
}

/* What is told of a message is what it held, in memory that is still there; facts lie in it where they lay alone. */
static void check_told(const Taken *taken, const Queued *queued, const Plan *plan, const Facts *facts,
                       const Facts *facts_alone)
{
    const Message *message = &queued->message;
    const Case *of = queued->of;
    const uint8_t key = key_byte(message);
    must(taken->offset == message->offset && taken->partition == message->partition);
    must(same_span(taken->value, message->payload == NULL ? NULL : (const void *)of->text.at, message->len));
    must(same_span(taken->key, message->key == NULL ? NULL : &key, message->key_len));
    must(taken->timestamp == 1000 + taken->offset && taken->timestamp_kind == (int)(taken->offset % 3));
    if (taken->what == LEFT)
        return;
    must((taken->kept == NOT_KEPT) == (of->kept == NOT_KEPT));
    if (taken->kept == NOT_KEPT)
        return;
    for (size_t at = 0; at < kept_of(&plan->table[taken->what]); at++) {
        const Span here = facts->span[taken->kept + at], alone = facts_alone->span[of->kept + at];
        must(here.length == alone.length);
        must(here.length == 0 || here.at - taken->value.at == alone.at - of->text.at);
    }
}

/* The number of the place that reads a message; -1 where none does. */
static int place_number(const Message *message)
{
    return message->err != 0 || message->partition == NOBODYS_PARTITION ? -1
           : message->partition == 0 ? 0 : strcmp(message->topic, "two") == 0 ? 1 : 2;
}

/* What has to have become of a batch. */
typedef struct {
    Passed passed[PLACES];
    int32_t passed_of_all;
    int64_t last[PLACES];
    ptrdiff_t told, records;
    int64_t bytes, passed_bytes;
    int holds;
} Expected;

static int64_t weight_of(const Expected *expected)
{
    return expected->bytes - (expected->holds ? 0 : expected->passed_bytes / 4 * 3);
}

/* The next message of a batch, with what was told of it. */
static void check_message(const Queued *queued, const Intake *intake, Expected *expected, const Plan *plan,
                          const Facts *facts, const Facts *facts_alone)
{
    const Message *message = &queued->message;
    const int number = place_number(message), says = queued->of->says;
    const int is_nothing = says == UNTRACKED || says == UNCHANGED;
    if (message->err == 0)
        expected->bytes += (int64_t)message->len;
    if (number >= 0) {
        expected->records++;
        expected->last[number] = message->offset;
    }
    if (number >= 0 && is_nothing && message->offset >= intake->place[number].floor) {
        expected->passed[number].untracked += says == UNTRACKED;
        expected->passed[number].unchanged += says == UNCHANGED;
        expected->passed_of_all++;
        expected->passed_bytes += (int64_t)message->len;
        return;
    }
    if (number < 0 && message->err == 0) {
        must(queued->is_destroyed);
        return;
    }
    must(expected->told < intake->told);
    const Taken *taken = &intake->taken[expected->told++];
    must(taken->place == number && taken->what == (message->err != 0 ? TROUBLE : says));
    if (message->err != 0) {
        must(taken->message->private_ == queued);
        return;
    }
    must((taken->message != NULL) == has_headers(message->offset) && queued->is_destroyed == (taken->message == NULL));
    expected->holds |= taken->message != NULL;
    must(taken->passed_of_all == expected->passed_of_all);
    must(memcmp(&taken->passed, &expected->passed[number], sizeof taken->passed) == 0);
    check_told(taken, queued, plan, facts, facts_alone);
}

/* The last message of a place, which was told or is left. */
static void check_last(Place *place, const Intake *intake, const Queue *queue, int64_t last, const Plan *plan,
                       const Facts *facts, const Facts *facts_alone)
{
    must(last >= 0 || (place->last < 0 && place->left.message == NULL));
    if (last < 0)
        return;
    must((place->last < 0) == (place->left.message != NULL));
    const Taken *one = &place->left;
    if (place->last < 0) {
        must(place->left.what == LEFT && !queue->queued[last].is_destroyed);
        describe(&place->left);
    } else {
        one = &intake->taken[place->last];
    }
    must(one->offset == last);
    check_told(one, &queue->queued[last], plan, facts, facts_alone);
}

/* Takes a batch of so many messages and bytes at most. */
static void take_batch(Queue *queue, const Plan *plan, const Programs *programs, const Facts *facts_alone, size_t most,
                       int64_t most_bytes)
{
    Place place[PLACES] = {{.topic = "one", .partition = 0},
                           {.topic = "two", .partition = 1, .floor = (int64_t)queue->count / 2},
                           {.topic = "one", .partition = 1, .floor = INT64_MAX}};
    Intake intake = {.place = place, .places = PLACES};
    intake.message = calloc(AT_A_TIME, sizeof *intake.message);
    intake.taken = calloc(most, sizeof *intake.taken);
    Desk desk = {.at = NULL};
    Facts facts = {NULL, 0, 0};
    Expected expected = {.last = {-1, -1, -1}};
    if (intake.message == NULL || intake.taken == NULL)
        exit(1);
    for (int at = 0; at < PLACES; at++)
        place[at].last = -1;
    const size_t first = queue->at;
    take_messages(&intake, queue, (ptrdiff_t)most, most_bytes, 100, plan, programs, &desk, &facts);
    must(!intake.failed && (size_t)intake.count == queue->at - first && intake.count <= (ptrdiff_t)most);
    for (size_t at = first; at < queue->at; at++) {
        must(at != queue->piece || weight_of(&expected) < most_bytes);
        check_message(&queue->queued[at], &intake, &expected, plan, &facts, facts_alone);
    }
    must(queue->at == queue->count || intake.count == (ptrdiff_t)most || weight_of(&expected) >= most_bytes);
    must(expected.told == intake.told && expected.records == intake.records && expected.bytes == intake.bytes);
    must(expected.passed_of_all == intake.passed);
    for (int at = 0; at < PLACES; at++) {
        must(memcmp(&place[at].passed, &expected.passed[at], sizeof place[at].passed) == 0);
        check_last(&place[at], &intake, queue, expected.last[at], plan, &facts, facts_alone);
    }
    let_all_go(&intake);
    for (size_t at = first; at < queue->at; at++)
        must(queue->queued[at].is_destroyed);
    free(intake.message);
    free(intake.taken);
    free(facts.span);
    free(desk.at);
}

/* So many bytes, and not one more: no 0 stands behind them. */
static void *exactly(const void *bytes, size_t length)
{
    void *copy = malloc(length);
    if (copy == NULL && length > 0)
        exit(1);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

/* A text that seems to name its table in two places: which one counts may depend on what came before. */
static int is_ambiguous(Span text)
{
    int marks = 0;
    for (size_t at = 0; at + MARK <= text.length; at++)
        marks += memcmp(text.at + at, TABLE_MARK, MARK) == 0;
    return marks > 1;
}

/* All texts as messages of four partitions, one of which nobody reads, and some of which are errors. Some have no key,
   some an empty one; an empty text is none in every second. */
static void take_all(const Case *cases, size_t count, const Plan *plan, const Programs *programs, const Facts *facts)
{
    static char one[] = "one", two[] = "two";
    Queue queue = {.queued = calloc(count + 1, sizeof *queue.queued)};
    if (queue.queued == NULL)
        exit(1);
    for (size_t number = 0; number < count; number++) {
        if (is_ambiguous(cases[number].text))
            continue;
        const size_t at = queue.count++;
        Queued *queued = &queue.queued[at];
        Message *message = &queued->message;
        const int kind = (int)(at % 4);
        queued->of = &cases[number];
        *message = (Message){.topic = kind == 1 ? two : one, .partition = kind == 3 ? NOBODYS_PARTITION : kind > 0,
                             .offset = (int64_t)at, .err = at % 97 == 96 ? SOME_CODE : 0,
                             .len = queued->of->text.length, .key_len = at % 7 > 1};
        const uint8_t key = key_byte(message);
        if (message->len > 0 || at % 2 == 0)
            message->payload = exactly(queued->of->text.at, message->len);
        if (at % 7 != 0)
            message->key = exactly(&key, message->key_len);
    }
    librdkafka.consume_batch_queue = consume;
    librdkafka.topic_name = topic_name;
    librdkafka.message_timestamp = message_timestamp;
    librdkafka.message_headers = message_headers;
    librdkafka.message_destroy = message_destroy;
    for (int batch = 0; queue.at < queue.count; batch++) {
        with_headers = batch % 3 == 2;
        take_batch(&queue, plan, programs, facts, 1 + queue.at % 3000, batch % 2 ? 4 << 20 : 50000);
    }
    free(queue.queued);
}

#endif
