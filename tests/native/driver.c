/* Says of texts from the standard input what the compiled code says of them, one line each.

   The input is a program for Avro (its five numbers, and five arrays of bytes), then texts until its end; every array
   and every text stands behind its length. All numbers have four bytes, little-endian. What a text is read from has
   memory of its own size, so that a sanitizer sees each byte beside it. The same texts are then taken from a queue, as
   from librdkafka's: what is told of them there must be the same, or the program ends with 3 (queue.h).

   With an argument, the input is keys alone, and of each one line says where in it the name stands, how long it is, and
   the key's hash. */
#include <stdio.h>
#include <stdlib.h>

#include "hashing.h"
#include "identities.h"
#include "intake.h"
#include "keys.h"
#include "queue.h"

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

/* What is said of a text, and in `*kept` the place of its facts, with every byte of what is told of it read. */
static int32_t said_of(Span text, const Plan *plan, Memories *memories, Facts *facts, size_t *kept)
{
    Envelope envelope;
    int32_t says = envelope_says(text.at, text.length, plan, memories, &envelope);
    size_t start = *kept = says < 0 ? NOT_KEPT : keep(facts, &envelope, &plan->table[says]);
    for (size_t at = start; at < facts->used && start != NOT_KEPT; at++)
        for (size_t byte = 0; byte < facts->span[at].length; byte++)
            if (facts->span[at].at[byte] == 0)
                exit(2);
    if (start != NOT_KEPT)
        name_change(facts->span + start + plan->table[says].tracked + plan->table[says].columns);
    return says;
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
    static Case cases[MOST_TEXTS]; /* Kept: the next ones are held against them. */
    Facts facts = {NULL, 0, 0};
    size_t count = 0;
    for (; count < MOST_TEXTS && read_number(&length); count++) {
        Case *one = &cases[count];
        Span text = one->text = read_bytes(length);
        one->kept = NOT_KEPT;
        one->says = *text.at == 0 ? wired_says(text.at, text.length, &programs)
                                  : said_of(text, &plan, &memories, &facts, &one->kept);
        printf("%d\n", (int)one->says);
    }
    take_all(cases, count, &plan, &programs, &facts);
    while (count > 0)
        free((void *)cases[--count].text.at);
    free(facts.span);
    free((void *)table.at);
    free((void *)types.at);
    free((void *)parts.at);
    free((void *)roles.at);
    free((void *)columns.at);
    return 0;
}
