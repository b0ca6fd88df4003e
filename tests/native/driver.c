/* Says of texts from the standard input what the compiled code says of them, one line each.

   The input is a program for Avro (its five numbers, and five arrays of bytes), then texts until its end; every array
   and every text stands behind its length. All numbers have four bytes, little-endian. What a text is read from has
   memory of its own size, so that a sanitizer sees each byte beside it. The same texts are then taken from a queue, as
   from librdkafka's: what is said of them there must be the same, or the program ends with 3.

   With an argument, the input is keys alone, and of each one line says where in it the name stands, how long it is, and
   the key's hash. */
#include <stdio.h>
#include <stdlib.h>

#include "hashing.h"
#include "identities.h"
#include "intake.h"
#include "keys.h"

enum { MOST_TEXTS = 100000 };

static Table tables[] = {
    {.name = {(Text) "tabTask", 7}, .number = 0, .tracked = 2, .columns = 2, .lengths = 1 << 6 | 1 << 8,
     .column = {{(Text) "status", 6}, {(Text) "priority", 8}}},
    {.name = {(Text) "tabGr\xc3\xb6\xc3\x9f" "e", 10}, .number = 1, .tracked = 1, .columns = 2, .is_told = 1,
     .lengths = 1 << 6 | 1 << 5, .column = {{(Text) "status", 6}, {(Text) "owner", 5}}},
};

static int read_number(uint32_t *number)
{
    uint8_t byte[4];
    if (fread(byte, 1, 4, stdin) != 4)
        return 0;
    *number = byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 | (uint32_t)byte[3] << 24;
    return 1;
}

/* Bytes with a 0 behind them; ends the program where they are not all there. */
static Span read_bytes(uint32_t length)
{
    uint8_t *bytes = malloc((size_t)length + 1);
    if (bytes == NULL || fread(bytes, 1, length, stdin) != length)
        exit(1);
    bytes[length] = 0;
    return (Span){bytes, length};
}

static Span read_array(void)
{
    uint32_t length;
    if (!read_number(&length))
        exit(1);
    return read_bytes(length);
}

/* What the source calls a change, and when it happened: the place that it stands in ends both texts alike. */
static void name_change(const Span *source)
{
    Identity said;
    put_identity(&said, source);
    const size_t length = (size_t)(said.place_end - said.place);
    if (memcmp(said.text_end - length, said.place, length) != 0 || reached_at(source, number_of(source[0])) < 0)
        exit(2);
}

/* What is said of a text, with every byte of what is told of it read. */
static int32_t said_of(Span text, const Plan *plan, Memories *memories, Facts *facts)
{
    Envelope envelope;
    int32_t says = envelope_says(text.at, text.length, plan, memories, &envelope);
    size_t start = says < 0 ? NOT_KEPT : keep(facts, &envelope, &plan->table[says]);
    for (size_t at = start; at < facts->used && start != NOT_KEPT; at++)
        for (size_t byte = 0; byte < facts->span[at].length; byte++)
            if (facts->span[at].at[byte] == 0)
                exit(2);
    if (start != NOT_KEPT)
        name_change(facts->span + start + plan->table[says].tracked + plan->table[says].columns);
    return says;
}

/* A queue: messages that come in pieces of changing size. */
typedef struct {
    Message *message;
    size_t count, at;
} Queue;

static ssize_t consume(void *from, int timeout_ms, Message **messages, size_t count)
{
    Queue *queue = from;
    size_t came = 0, most = timeout_ms > 0 ? 1 : 1 + queue->at % 700;
    for (; came < count && came < most && queue->at < queue->count; came++)
        messages[came] = &queue->message[queue->at++];
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

/* Every fifth message has some; what they are nobody asks. */
static int message_headers(const Message *message, void **headers)
{
    *headers = NULL;
    return message->offset % 5 == 0 ? 0 : ERR_NOENT;
}

/* Once, and then its bytes are there no more. */
static void message_destroy(Message *message)
{
    if (message->private_ != NULL)
        exit(3);
    message->private_ = message;
    free(message->payload);
    free(message->key);
}

/* What is told of a message is what it held, in memory that is still there. */
static void check_told(const Taken *taken, const Span *texts, const Message *messages, const Plan *plan,
                       const Facts *facts)
{
    const Span *text = &texts[taken->offset];
    const Message *message = &messages[taken->offset];
    if (taken->value.length != text->length || memcmp(taken->value.at, text->at, text->length) != 0)
        exit(3);
    if (taken->key.length != 1 || *taken->key.at != (uint8_t)taken->offset || taken->partition != message->partition)
        exit(3);
    if (taken->timestamp != 1000 + taken->offset || taken->timestamp_kind != (int)(taken->offset % 3))
        exit(3);
    if (taken->what < 0 || taken->kept == NOT_KEPT)
        return;
    for (size_t of = taken->kept; of < taken->kept + kept_of(&plan->table[taken->what]); of++) {
        const Span *span = &facts->span[of];
        for (size_t byte = 0; byte < span->length; byte++)
            if (span->at + byte < taken->value.at || span->at + byte >= taken->value.at + taken->value.length)
                exit(3);
    }
}

/* Takes a batch; what becomes of each message has to be what was said of its text. */
static void take_batch(Queue *queue, const Span *texts, const int32_t *said, const Plan *plan, const Programs *programs,
                       size_t most)
{
    static const int64_t nowhere = INT64_MAX;
    Place place[] = {{.topic = "one", .partition = 0}, {.topic = "two", .partition = 1},
                     {.topic = "one", .partition = 1, .floor = nowhere}};
    Intake intake = {.place = place, .places = 3};
    intake.message = calloc(AT_A_TIME, sizeof *intake.message);
    intake.taken = calloc(most, sizeof *intake.taken);
    Desk desk = {NULL, 0, 0, {.source = {.count = 0}}};
    Facts facts = {NULL, 0, 0};
    if (intake.message == NULL || intake.taken == NULL)
        exit(1);
    for (int at = 0; at < 3; at++)
        place[at].last = -1;
    const size_t first = queue->at;
    take_messages(&intake, queue, (ptrdiff_t)most, 4 << 20, 100, plan, programs, &desk, &facts);
    if (intake.failed || (size_t)intake.count != queue->at - first || intake.count > (ptrdiff_t)most)
        exit(3);
    int32_t left = 0;
    ptrdiff_t told = 0;
    int64_t last[] = {-1, -1, -1};
    for (size_t at = first; at < queue->at; at++) {
        const Message *message = &queue->message[at];
        const int number = message->err != 0 || message->partition == 2 ? -1 : message->partition == 0 ? 0
                           : strcmp(message->topic, "two") == 0 ? 1 : 2;
        const int is_nothing = said[at] == UNTRACKED || said[at] == UNCHANGED;
        if (number >= 0)
            last[number] = (int64_t)at;
        if (message->err == 0 && (number < 0 || (number != 2 && is_nothing))) {
            left += number >= 0;
            continue;
        }
        const Taken *taken = &intake.taken[told++];
        if (told > intake.told || taken->place != number || taken->what != (message->err != 0 ? TROUBLE : said[at]))
            exit(3);
        if (message->err != 0)
            continue;
        if (taken->offset != (int64_t)at || taken->passed_of_all != left || (taken->message != NULL) != (at % 5 == 0))
            exit(3);
        check_told(taken, texts, queue->message, plan, &facts);
    }
    int32_t passed = 0;
    for (int at = 0; at < 3; at++) {
        Taken *one = place[at].last >= 0 ? &intake.taken[place[at].last] : &place[at].left;
        passed += place[at].passed.untracked + place[at].passed.unchanged;
        if (place[at].last < 0 && (one->message != NULL) != (last[at] >= 0))
            exit(3);
        if (last[at] < 0)
            continue;
        if (place[at].last < 0)
            describe(one);
        if (one->offset != last[at])
            exit(3);
        check_told(one, texts, queue->message, plan, &facts);
    }
    if (told != intake.told || passed != left || place[2].passed.untracked + place[2].passed.unchanged != 0)
        exit(3);
    let_all_go(&intake);
    for (size_t at = first; at < queue->at; at++)
        if (queue->message[at].private_ == NULL)
            exit(3);
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

/* All texts as messages of four partitions, one of which nobody reads, and some of which are errors. */
static void take_all(const Span *texts, const int32_t *said, size_t count, const Plan *plan, const Programs *programs)
{
    static char one[] = "one", two[] = "two";
    Queue queue = {calloc(count + 1, sizeof *queue.message), count, 0};
    if (queue.message == NULL)
        exit(1);
    for (size_t at = 0; at < count; at++) {
        Message *message = &queue.message[at];
        const int kind = (int)(at % 4);
        const uint8_t key = (uint8_t)at;
        *message = (Message){.topic = kind == 1 ? two : one, .partition = kind == 3 ? 2 : kind > 0, .offset = (int64_t)at,
                             .err = at % 97 == 96 ? -191 : 0, .len = texts[at].length, .key_len = 1};
        message->payload = exactly(texts[at].at, message->len);
        message->key = exactly(&key, 1);
    }
    librdkafka.consume_batch_queue = consume;
    librdkafka.topic_name = topic_name;
    librdkafka.message_timestamp = message_timestamp;
    librdkafka.message_headers = message_headers;
    librdkafka.message_destroy = message_destroy;
    while (queue.at < count)
        take_batch(&queue, texts, said, plan, programs, 1 + queue.at % 3000);
    free(queue.message);
}

static int say_names(void)
{
    uint32_t length;
    while (read_number(&length)) {
        Span bytes = read_bytes(length);
        Span key = {malloc(length == 0 ? 1 : length), length}; /* Its memory ends with it. */
        if (key.at == NULL)
            return 1;
        memcpy((void *)key.at, bytes.at, length);
        Span name = name_in_key(key);
        uint8_t hash[LONGEST_HASH];
        blake2b(key.at, key.length, hash, sizeof hash);
        printf("%zu %zu ", name.at == NULL ? 0 : (size_t)(name.at - key.at), name.length);
        for (int at = 0; at < LONGEST_HASH; at++)
            printf("%02x%s", hash[at], at == LONGEST_HASH - 1 ? "\n" : "");
        free((void *)key.at);
        free((void *)bytes.at);
    }
    return 0;
}

int main(int count_of_arguments, char **arguments)
{
    (void)arguments;
    if (count_of_arguments > 1)
        return say_names();
    int32_t slot[] = {-1, -1, -1, -1};
    Plan plan = {tables, slot, NULL, 4};
    for (int32_t at = 0; at < 2; at++)
        slot[slot_of(&plan, tables[at].name, hash_of(tables[at].name))] = at;
    uint32_t number[5], length;
    for (int at = 0; at < 5; at++)
        if (!read_number(&number[at]))
            return 1;
    Span table = read_array(), types = read_array(), parts = read_array(), roles = read_array(), columns = read_array();
    Program program = {
        .id = number[0], .columns = (int32_t)number[1], .row = (int32_t)number[2], .source = (int32_t)number[3],
        .table_field = (int32_t)number[4], .table = table, .type = (const void *)types.at, .part = (const void *)parts.at,
        .role = (const void *)roles.at, .column = (const void *)columns.at,
        .types = (int32_t)(types.length / sizeof(AvroType)), .parts = (int32_t)(parts.length / 4),
        .roles = (int32_t)(roles.length / 4), .fields = (int32_t)(columns.length / 4),
    };
    Programs programs = {&program, is_sound(&program) ? 1 : 0};
    static Memories memories;
    static Span texts[MOST_TEXTS]; /* Kept: the next ones are held against them. */
    static int32_t said[MOST_TEXTS];
    Facts facts = {NULL, 0, 0};
    size_t count = 0;
    for (; count < MOST_TEXTS && read_number(&length); count++) {
        Span text = texts[count] = read_bytes(length);
        said[count] = *text.at == 0 ? wired_says(text.at, text.length, &programs)
                                    : said_of(text, &plan, &memories, &facts);
        printf("%d\n", (int)said[count]);
    }
    take_all(texts, said, count, &plan, &programs);
    while (count > 0)
        free((void *)texts[--count].at);
    free(facts.span);
    free((void *)table.at);
    free((void *)types.at);
    free((void *)parts.at);
    free((void *)roles.at);
    free((void *)columns.at);
    return 0;
}
