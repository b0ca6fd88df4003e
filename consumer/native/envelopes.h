/* Debezium's envelopes at a glance: most records of most streams are of tables that nobody tracks, or change no column
   that anybody tracks. For those one pass over the bytes is all that is done. Whatever is not certain is `CLOSER`.

   The verdicts are those of consumer/formats/glance.py, which is the reference (tests/native), and which reads
   all changes in full. Of a name that stands twice the last one counts there: here such a record is `CLOSER`. */
#ifndef MILESTONES_ENVELOPES_H
#define MILESTONES_ENVELOPES_H

#include "json.h"
#include "programs.h"

/* What is said of an envelope: one of these, or the number of the table of which it may be a change. */
enum { CLOSER = -1, UNTRACKED = -2, UNCHANGED = -3 };

typedef struct {
    Span name;
    int32_t number;
    int32_t columns; /* More than MOST_COLUMNS: it is always looked at more closely. */
    uint64_t lengths; /* Bit n: there is a column whose name has n bytes, or n + 64, and so on. */
    Span column[MOST_COLUMNS];
} Table;

/* The tracked tables, in a hash table of open addressing: `slot` holds numbers of tables, or -1. */
typedef struct {
    Table *table;
    int32_t *slot;
    uint8_t *names;
    size_t slots; /* A power of two, more than there are tables. */
} Plan;

typedef struct {
    int is_there;
    Span column[MOST_COLUMNS];
} Row;

typedef struct {
    Row before, after;
    Span table;
    uint8_t op;
} Envelope;

#define NAMED(span, name) span_is(span, name, sizeof(name) - 1)

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), 32 bits. */
static inline uint32_t hash_of(Span name)
{
    uint32_t hash = 2166136261u;
    for (size_t at = 0; at < name.length; at++)
        hash = (hash ^ name.at[at]) * 16777619u;
    return hash;
}

/* The slot of a table, or the free one where it would be. */
static inline size_t slot_of(const Plan *plan, Span name)
{
    size_t slot = hash_of(name) & (plan->slots - 1);
    while (plan->slot[slot] >= 0 && !spans_equal(plan->table[plan->slot[slot]].name, name))
        slot = (slot + 1) & (plan->slots - 1);
    return slot;
}

static inline const Table *table_named(const Plan *plan, Span name)
{
    int32_t number = plan->slot[slot_of(plan, name)];
    return number < 0 ? NULL : &plan->table[number];
}

static inline int column_named(const Table *table, Span name)
{
    if (!(table->lengths >> (name.length & 63) & 1))
        return -1;
    for (int column = 0; column < table->columns; column++)
        if (spans_equal(table->column[column], name))
            return column;
    return -1;
}

/* The tracked table that the last `"table":"` seems to name; NULL where it names none. Rows come before it. */
static const Table *seeming_table(Text text, Text end, const Plan *plan)
{
    static const char mark[] = "\"table\":\"";
    const ptrdiff_t length = sizeof mark - 1;
    for (Text at = end - length; at > text; at--) {
        if (*at != '"' || memcmp(at, mark, (size_t)length) != 0)
            continue;
        Text name = at + length, close = memchr(name, '"', (size_t)(end - name));
        return close == NULL ? NULL : table_named(plan, (Span){name, (size_t)(close - name)});
    }
    return NULL;
}

/* `before` or `after`, with the columns of its table. */
static Text read_row(Text p, Text end, const Table *table, Row *row)
{
    int more;
    if (*p != '{')
        return json_word(p, end, "null", 4);
    row->is_there = 1;
    memset(row->column, 0, sizeof(Span) * (size_t)table->columns);
    p = json_first(p, '}', &more);
    while (more) {
        Span name;
        Text value = json_name(p, end, &name);
        if (value == NULL || (p = json_value(value, end, 2)) == NULL)
            return NULL;
        int column = column_named(table, name);
        if (column >= 0) {
            if (row->column[column].at != NULL)
                return NULL;
            row->column[column] = (Span){value, (size_t)(p - value)};
        }
        if ((p = json_next(p, '}', &more)) == NULL)
            return NULL;
    }
    return p;
}

/* `source`: the table's name, which is written as it is. */
static Text read_source(Text p, Text end, Span *table)
{
    int more;
    if (*p != '{')
        return NULL;
    p = json_first(p, '}', &more);
    while (more) {
        Span name;
        int plain = 1;
        if ((p = json_name(p, end, &name)) == NULL)
            return NULL;
        if (NAMED(name, "table")) {
            Text start = p + 1;
            if (table->at != NULL || *p != '"' || (p = json_string(p, end, &plain)) == NULL || !plain)
                return NULL;
            *table = (Span){start, (size_t)(p - start) - 1};
        } else if ((p = json_value(p, end, 2)) == NULL) {
            return NULL;
        }
        if ((p = json_next(p, '}', &more)) == NULL)
            return NULL;
    }
    return p;
}

/* null, or an integer that fits 64 bits for certain. */
static Text read_integer(Text p, Text end)
{
    Text start = p;
    if (*p == 'n')
        return json_word(p, end, "null", 4);
    if ((p = json_number(p)) == NULL || p - start > 18)
        return NULL;
    return memchr(start, '.', (size_t)(p - start)) == NULL ? p : NULL;
}

/* `transaction`: null, or an `id` that is a text, and where the change stands in it. */
static Text read_transaction(Text p, Text end)
{
    int more, plain;
    if (*p != '{')
        return json_word(p, end, "null", 4);
    p = json_first(p, '}', &more);
    while (more) {
        Span name;
        if ((p = json_name(p, end, &name)) == NULL)
            return NULL;
        if (NAMED(name, "id"))
            p = *p == '"' ? json_string(p, end, &plain) : json_word(p, end, "null", 4);
        else if (NAMED(name, "total_order"))
            p = read_integer(p, end);
        else
            p = json_value(p, end, 2);
        if (p == NULL || (p = json_next(p, '}', &more)) == NULL)
            return NULL;
    }
    return p;
}

/* `op`: one letter. */
static Text read_op(Text p, uint8_t *op)
{
    if (p[0] != '"' || (p[1] != 'c' && p[1] != 'u' && p[1] != 'r' && p[1] != 'd') || p[2] != '"')
        return NULL;
    *op = p[1];
    return p + 3;
}

/* One member of an envelope behind its name. `*known`: its bit among those that may stand there once; 0 for others. */
static inline Text read_member(Text p, Text end, Span name, const Table *table, Envelope *envelope, unsigned *known)
{
    *known = 0;
    if (NAMED(name, "before") || NAMED(name, "after")) {
        int is_after = name.length == sizeof "after" - 1;
        *known = is_after ? 1 : 2;
        return table == NULL ? json_value(p, end, 1)
                             : read_row(p, end, table, is_after ? &envelope->after : &envelope->before);
    }
    if (NAMED(name, "source")) {
        *known = 4;
        return read_source(p, end, &envelope->table);
    }
    if (NAMED(name, "op")) {
        *known = 8;
        return read_op(p, &envelope->op);
    }
    if (NAMED(name, "ts_ms")) {
        *known = 16;
        return read_integer(p, end);
    }
    if (NAMED(name, "transaction")) {
        *known = 32;
        return read_transaction(p, end);
    }
    return json_value(p, end, 1);
}

static inline int is_unchanged(const Envelope *envelope, int32_t columns)
{
    const Row *before = &envelope->before, *after = &envelope->after;
    if (envelope->op != 'u' || !before->is_there || !after->is_there)
        return 0;
    for (int32_t column = 0; column < columns; column++)
        if (before->column[column].at == NULL || !spans_equal(before->column[column], after->column[column]))
            return 0;
    return 1;
}

/* What one record says. Behind its bytes there is a 0. */
static int32_t envelope_says(Text p, size_t length, const Plan *plan)
{
    static const char wrapper[] = "{\"schema\":";
    Text end = p + length;
    if (*p != '{' || (length >= sizeof wrapper - 1 && memcmp(p, wrapper, sizeof wrapper - 1) == 0))
        return CLOSER;
    const Table *table = seeming_table(p, end, plan);
    if (table != NULL && table->columns > MOST_COLUMNS)
        return CLOSER;
    Envelope envelope;
    envelope.before.is_there = envelope.after.is_there = 0;
    envelope.table = (Span){NULL, 0};
    envelope.op = 0;
    unsigned had = 0, known;
    int more;
    p = json_first(p, '}', &more);
    while (more) {
        Span name;
        if ((p = json_name(p, end, &name)) == NULL)
            return CLOSER;
        if ((p = read_member(p, end, name, table, &envelope, &known)) == NULL || (had & known) != 0)
            return CLOSER;
        had |= known;
        if ((p = json_next(p, '}', &more)) == NULL)
            return CLOSER;
    }
    if (p != end || envelope.table.length == 0 || envelope.op == 0)
        return CLOSER;
    if (table_named(plan, envelope.table) != table)
        return CLOSER;
    if (table == NULL)
        return UNTRACKED;
    return is_unchanged(&envelope, table->columns) ? UNCHANGED : table->number;
}

#endif
