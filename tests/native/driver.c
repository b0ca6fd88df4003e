/* Says of texts from the standard input what the compiled code says of them, one line each.

   The input is a program for Avro (its five numbers, and five arrays of bytes), then texts until its end; every array
   and every text stands behind its length. All numbers have four bytes, little-endian. What a text is read from has
   memory of its own size, so that a sanitizer sees each byte beside it. */
#include <stdio.h>
#include <stdlib.h>

#include "avro.h"
#include "facts.h"

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
    return says;
}

int main(void)
{
    int32_t slot[] = {-1, -1, -1, -1};
    Plan plan = {tables, slot, NULL, 4};
    for (int32_t at = 0; at < 2; at++)
        slot[slot_of(&plan, tables[at].name)] = at;
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
    Facts facts = {NULL, 0, 0};
    size_t count = 0;
    for (; count < MOST_TEXTS && read_number(&length); count++) {
        Span text = texts[count] = read_bytes(length);
        int32_t says = *text.at == 0 ? wired_says(text.at, text.length, &programs)
                                     : said_of(text, &plan, &memories, &facts);
        printf("%d\n", (int)says);
    }
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
