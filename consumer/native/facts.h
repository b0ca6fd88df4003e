/* Changes in which everything is as it usually is: columns are texts or null, `source` is that of a binary log. What
   an event needs of such a record is kept as places in its bytes, so that nobody has to read it again. */
#ifndef MILESTONES_FACTS_H
#define MILESTONES_FACTS_H

#include <stdlib.h>

#include "envelopes.h"

enum { LONGEST_IDENTITY = 1000, MOST_DIGITS = 18 };

/* What is kept of `source`: its members from IN_TS_MS to IN_ROW, and of `transaction` its order behind them. */
enum { KEPT = IN_ROW - IN_TS_MS + 1, KEPT_ORDER = KEPT };

/* What many records said, one behind the other: of each the tracked columns before and all columns after it, and what
   is kept of `source` and `transaction`. */
typedef struct {
    Span *span;
    size_t used, size;
} Facts;

#define NOT_KEPT SIZE_MAX

static inline int is_null(Span value)
{
    return value.length == 0 || *value.at == 'n';
}

/* A text of at most so many bytes that says what it looks like. */
static inline int is_text(Span value, size_t most)
{
    return value.length >= 2 && value.length - 2 <= most && *value.at == '"' &&
           memchr(value.at, '\\', value.length) == NULL;
}

/* A number that is written as it would be printed: 0, or digits that begin with another one. */
static inline int is_whole(Span value)
{
    for (size_t at = 0; at < value.length; at++)
        if (!is_digit(value.at[at]))
            return 0;
    return value.length > 0 && value.length <= MOST_DIGITS;
}

static inline int is_whole_or_null(Span value)
{
    return is_null(value) || is_whole(value);
}

/* Milliseconds since 1970, before 2200: of what is farther away nobody takes the time (`checked_time` in
   consumer/core/events.py, which has the same limit). */
static inline int is_near(Span value)
{
    static const char latest[] = "7258118400000";
    const size_t length = sizeof latest - 1;
    return is_whole(value) && (value.length < length || (value.length == length && memcmp(value.at, latest, length) < 0));
}

static inline int is_usual_source(const Row *source)
{
    const Span *member = source->column;
    for (int at = IN_LSN; at < SOURCE_MEMBERS; at++)
        if (!is_null(member[at]))
            return 0;
    return is_near(member[IN_TS_MS]) && is_whole_or_null(member[IN_TS_US]) && is_whole_or_null(member[IN_SERVER_ID]) &&
           (is_null(member[IN_GTID]) || is_text(member[IN_GTID], LONGEST_IDENTITY)) &&
           is_text(member[IN_FILE], LONGEST_IDENTITY) && member[IN_FILE].length > 2 && is_whole(member[IN_POS]) &&
           is_whole_or_null(member[IN_ROW]);
}

/* Whether the first columns of a row are all there, and each is a text or null. */
static inline int are_texts(const Span *column, int32_t count)
{
    for (int32_t at = 0; at < count; at++)
        if (column[at].length == 0 || (*column[at].at != 'n' && !is_text(column[at], SIZE_MAX)))
            return 0;
    return 1;
}

/* An update of a row that is known, or a new row. */
static inline int is_usual(const Envelope *envelope, const Table *table)
{
    const Row *before = &envelope->before, *after = &envelope->after;
    if (!table->is_told || !after->is_there || envelope->op != (before->is_there ? 'u' : 'c'))
        return 0;
    if (before->is_there && !are_texts(before->column, table->tracked))
        return 0;
    for (int32_t at = table->tracked; at < table->columns; at++)
        if (after->column[at].length != 0 && !are_texts(&after->column[at], 1))
            return 0;
    return are_texts(after->column, table->tracked) && is_usual_source(&envelope->source) &&
           is_whole_or_null(envelope->total_order);
}

/* How many spans are kept of a change of a table. */
static inline size_t kept_of(const Table *table)
{
    return (size_t)table->tracked + (size_t)table->columns + KEPT + 1;
}

/* Keeps what a change says: the place of its first span. Nothing is kept of what is unusual, or without memory. */
static size_t keep(Facts *facts, const Envelope *envelope, const Table *table)
{
    size_t tracked = (size_t)table->tracked, columns = (size_t)table->columns, start = facts->used;
    if (!is_usual(envelope, table))
        return NOT_KEPT;
    if (facts->size - start < kept_of(table)) {
        size_t size = 2 * facts->size + 64 * kept_of(table);
        Span *larger = realloc(facts->span, size * sizeof *larger);
        if (larger == NULL)
            return NOT_KEPT;
        facts->span = larger;
        facts->size = size;
    }
    Span *span = facts->span + start;
    if (envelope->before.is_there)
        memcpy(span, envelope->before.column, tracked * sizeof *span);
    else
        memset(span, 0, tracked * sizeof *span);
    memcpy(span + tracked, envelope->after.column, columns * sizeof *span);
    memcpy(span + tracked + columns, envelope->source.column + IN_TS_MS, KEPT * sizeof *span);
    span[tracked + columns + KEPT_ORDER] = envelope->total_order;
    facts->used += kept_of(table);
    return start;
}

#endif
