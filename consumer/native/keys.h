/* Keys that name a document with one text: what `_USUAL` in consumer/formats/keys.py says, which is the reference
   (tests/native). Whatever else a key may be is read in Python. */
#ifndef MILESTONES_KEYS_H
#define MILESTONES_KEYS_H

#include <string.h>

#include "json.h"

enum { LONGEST_NAME = 1000 };

static const char ROUTER[] = "__dbz__physicalTableIdentifier";

/* Steps over some bytes; NULL where others stand there, or where nothing was found before. */
static inline Text behind(Text at, Text end, const char *bytes, size_t length)
{
    return at != NULL && (size_t)(end - at) >= length && memcmp(at, bytes, length) == 0 ? at + length : NULL;
}

#define BEHIND(at, end, literal) behind(at, end, literal, sizeof(literal) - 1)

/* Steps over a text to its closing quote: ASCII, nothing of which is escaped or should be. */
static inline Text over_text(Text at, Text end)
{
    while (at != NULL && at < end && *at >= ' ' && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The name: of one byte or more; none where the key is no such key. */
static Span name_in_key(Span key)
{
    const Span none = {NULL, 0};
    Text end = key.at + key.length, column = BEHIND(key.at, end, "{\""), column_end = over_text(column, end);
    Text name = BEHIND(column_end, end, "\":\""), name_end = over_text(name, end), last = BEHIND(name_end, end, "\"");
    if (last == NULL || column_end == column || name_end == name || name_end - name > LONGEST_NAME)
        return none;
    if ((size_t)(column_end - column) == sizeof ROUTER - 1 && memcmp(column, ROUTER, sizeof ROUTER - 1) == 0)
        return none;
    if (last < end && *last == ',') {
        Text router = BEHIND(behind(BEHIND(last, end, ",\""), end, ROUTER, sizeof ROUTER - 1), end, "\":\"");
        last = BEHIND(over_text(router, end), end, "\"");
    }
    last = last == NULL ? NULL : BEHIND(last, end, "}");
    return last == end ? (Span){name, (size_t)(name_end - name)} : none;
}

#endif
