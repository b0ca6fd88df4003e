/* Reads texts from the standard input, each behind its length (four bytes, little-endian), and prints what
   envelopes.h says of each. Every text has memory of its own size, so that a sanitizer sees each byte beside it. */
#include <stdio.h>
#include <stdlib.h>

#include "envelopes.h"

static Table tables[] = {
    {.name = {(Text) "tabTask", 7}, .number = 0, .columns = 2, .lengths = 1 << 6 | 1 << 8,
     .column = {{(Text) "status", 6}, {(Text) "priority", 8}}},
    {.name = {(Text) "tabGr\xc3\xb6\xc3\x9f" "e", 10}, .number = 1, .columns = 1, .lengths = 1 << 6,
     .column = {{(Text) "status", 6}}},
};

int main(void)
{
    int32_t slot[] = {-1, -1, -1, -1};
    Plan plan = {tables, slot, NULL, 4};
    for (int32_t at = 0; at < 2; at++)
        slot[slot_of(&plan, tables[at].name)] = at;
    uint8_t size[4];
    while (fread(size, 1, 4, stdin) == 4) {
        size_t length = size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
        uint8_t *text = malloc(length + 1);
        if (text == NULL || fread(text, 1, length, stdin) != length)
            return 1;
        text[length] = 0;
        printf("%d\n", (int)envelope_says(text, length, &plan));
        free(text);
    }
    return 0;
}
