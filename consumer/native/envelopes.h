/* Debezium's envelopes at a glance: most records of most streams are of tables that nobody tracks, or change no column
   that anybody tracks. For those one pass over the bytes is all that is done. Whatever is not certain is `CLOSER`.

   The verdicts are those of consumer/formats/glance.py, which is the reference (tests/native), and which reads
   all changes in full. Of a name that stands twice the last one counts there: here such a record is `CLOSER`. */
#ifndef MILESTONES_ENVELOPES_H
#define MILESTONES_ENVELOPES_H

#include "members.h"

/* What is said of an envelope: one of these, or the number of the table of which it may be a change. */
enum { CLOSER = -1, UNTRACKED = -2, UNCHANGED = -3 };

/* The tracked tables, in a hash table of open addressing: `slot` holds numbers of tables, or -1. */
typedef struct {
    Table *table;
    int32_t *slot;
    uint8_t *names;
    size_t slots; /* A power of two, more than there are tables. */
} Plan;

enum { MEMORIES = 24 };

/* What the last records were, for as long as their bytes are there. A table has the place that its name says.
   `mark`: how far from its end the last one named its table; 0 where none did. */
typedef struct {
    Memory row[MEMORIES], source;
    size_t mark;
} Memories;

typedef struct {
    Row before, after, source;
    Span table;
    Span total_order; /* of `transaction` */
    uint8_t op;
} Envelope;

#define TEXT(literal) {(Text)(literal), sizeof(literal) - 1}

/* The members of `source` by their number. Of a change in which everything is usual those from LSN on are null. */
enum { IN_TABLE, IN_TS_MS, IN_TS_US, IN_SERVER_ID, IN_GTID, IN_FILE, IN_POS, IN_ROW, IN_LSN, SOURCE_MEMBERS = 13 };

static const Table SOURCE = {
    .columns = SOURCE_MEMBERS, .lengths = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 13,
    .column = {TEXT("table"), TEXT("ts_ms"), TEXT("ts_us"), TEXT("server_id"), TEXT("gtid"), TEXT("file"), TEXT("pos"),
               TEXT("row"), TEXT("lsn"), TEXT("txId"), TEXT("document_type"), TEXT("id"), TEXT("time")},
};
/* Of a table that nobody tracks no column is looked at. */
static const Table NOBODYS = {.columns = 0};

static const char TABLE_MARK[] = "\"table\":\"";
enum { MARK = sizeof TABLE_MARK - 1 };

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
static inline size_t slot_of(const Plan *plan, Span name, uint32_t hash)
{
    size_t slot = hash & (plan->slots - 1);
    while (plan->slot[slot] >= 0 && !spans_equal(plan->table[plan->slot[slot]].name, name))
        slot = (slot + 1) & (plan->slots - 1);
    return slot;
}

static inline const Table *table_named(const Plan *plan, Span name, uint32_t hash)
{
    int32_t number = plan->slot[slot_of(plan, name, hash)];
    return number < 0 ? NULL : &plan->table[number];
}

/* Whether a quote, a `t` and a quote are where they would be if a mark began in one of sixteen places. */
static inline int may_be_marked(Text p)
{
    Block first, second, last;
    memcpy(&first, p, AT_ONCE);
    memcpy(&second, p + 1, AT_ONCE);
    memcpy(&last, p + MARK - 1, AT_ONCE);
    return any_holds((Block)((first == '"') & (second == 't') & (last == '"')));
}

/* The last `"table":"`; NULL where there is none. */
static inline Text last_mark(Text text, Text end)
{
    ptrdiff_t at = end - text - MARK;
    for (; at >= AT_ONCE; at -= AT_ONCE) {
        if (!may_be_marked(text + at - AT_ONCE + 1))
            continue;
        for (Text place = text + at; place > text + at - AT_ONCE; place--)
            if (memcmp(place, TABLE_MARK, MARK) == 0)
                return place;
    }
    for (; at > 0; at--)
        if (memcmp(text + at, TABLE_MARK, MARK) == 0)
            return text + at;
    return NULL;
}

/* A `"table":"`: where the last record had it, counted from its end, or the last one there is. A wrong one, of a column,
   makes the record CLOSER. */
static inline Text seeming_mark(Text text, Text end, size_t before)
{
    int may_be_there = before >= MARK && before <= (size_t)(end - text);
    return may_be_there && memcmp(end - before, TABLE_MARK, MARK) == 0 ? end - before : last_mark(text, end);
}

/* What it seems to name; rows come before it. Nothing where there is none. */
static Span seeming_table(Text text, Text end, size_t *before)
{
    Text mark = seeming_mark(text, end, *before);
    *before = mark == NULL ? 0 : (size_t)(end - mark);
    if (mark == NULL)
        return (Span){end, 0};
    Text name = mark + MARK, close = memchr(name, '"', (size_t)(end - name));
    return close == NULL ? (Span){end, 0} : (Span){name, (size_t)(close - name)};
}

/* `source`, with the table's name, which is written as it is. */
static Text read_source(Text p, Text end, Memory *memory, Envelope *envelope)
{
    Row *source = &envelope->source;
    p = read_row(p, end, &SOURCE, memory, source);
    if (p == NULL || !source->is_there)
        return NULL;
    Span name = source->column[IN_TABLE];
    if (name.at == NULL || *name.at != '"' || memchr(name.at, '\\', name.length) != NULL)
        return NULL;
    envelope->table = (Span){name.at + 1, name.length - 2};
    return p;
}

/* null, or an integer that fits 64 bits for certain. */
static Text read_integer(Text p, Text end)
{
    Text start = p;
    if (*p == 'n')
        return json_word(p, end, "null", 4);
    if ((p = json_number(p, end)) == NULL || p - start > 18)
        return NULL;
    return memchr(start, '.', (size_t)(p - start)) == NULL ? p : NULL;
}

/* `transaction`: null, or an `id` that is a text, and where the change stands in it. */
static Text read_transaction(Text p, Text end, Span *total_order)
{
    int more, plain;
    if (*p != '{')
        return json_word(p, end, "null", 4);
    p = json_first(p, '}', &more);
    while (more) {
        Span name;
        Text value = json_name(p, end, &name);
        if (value == NULL)
            return NULL;
        if (NAMED(name, "id"))
            p = *value == '"' ? json_string(value, end, &plain) : json_word(value, end, "null", 4);
        else if (NAMED(name, "total_order"))
            p = read_integer(value, end);
        else
            p = json_value(value, end, 2);
        if (p != NULL && NAMED(name, "total_order"))
            *total_order = (Span){value, (size_t)(p - value)};
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
static inline Text read_member(Text p, Text end, Span name, const Table *table, Memory *rows, Memory *source,
                               Envelope *envelope, unsigned *known)
{
    *known = 0;
    if (NAMED(name, "before")) {
        *known = 1;
        return read_row(p, end, table, rows, &envelope->before);
    }
    if (NAMED(name, "after")) {
        *known = 2;
        return read_row(p, end, table, rows, &envelope->after);
    }
    if (NAMED(name, "source")) {
        *known = 4;
        return read_source(p, end, source, envelope);
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
        return read_transaction(p, end, &envelope->total_order);
    }
    return json_value(p, end, 1);
}

static inline int is_unchanged(const Envelope *envelope, int32_t tracked)
{
    const Row *before = &envelope->before, *after = &envelope->after;
    if (envelope->op != 'u' || !before->is_there || !after->is_there)
        return 0;
    for (int32_t column = 0; column < tracked; column++)
        if (before->column[column].at == NULL || !spans_equal(before->column[column], after->column[column]))
            return 0;
    return 1;
}

/* What one record says. Behind its bytes there is a 0; they stay where they are as long as the memories are used.
   `*envelope` is whole where it is a change of a tracked table. */
static int32_t envelope_says(Text p, size_t length, const Plan *plan, Memories *memories, Envelope *envelope)
{
    static const char wrapper[] = "{\"schema\":";
    Text end = p + length;
    if (*p != '{' || length > INT32_MAX || (length >= sizeof wrapper - 1 && memcmp(p, wrapper, sizeof wrapper - 1) == 0))
        return CLOSER;
    Span seeming = seeming_table(p, end, &memories->mark);
    const uint32_t hash = hash_of(seeming);
    const Table *table = table_named(plan, seeming, hash);
    if (seeming.length == 0 || (table != NULL && table->tracked > MOST_COLUMNS))
        return CLOSER;
    Memory *rows = &memories->row[hash % MEMORIES];
    envelope->before.is_there = envelope->after.is_there = envelope->source.is_there = 0;
    envelope->table = envelope->total_order = (Span){end, 0};
    envelope->op = 0;
    unsigned had = 0, known;
    int more;
    p = json_first(p, '}', &more);
    while (more) {
        Span name;
        if ((p = json_name(p, end, &name)) == NULL)
            return CLOSER;
        p = read_member(p, end, name, table == NULL ? &NOBODYS : table, rows, &memories->source, envelope, &known);
        if (p == NULL || (had & known) != 0)
            return CLOSER;
        had |= known;
        if ((p = json_next(p, '}', &more)) == NULL)
            return CLOSER;
    }
    if (p != end || envelope->op == 0 || envelope->table.length == 0)
        return CLOSER;
    if (!spans_equal(envelope->table, seeming) && table_named(plan, envelope->table, hash_of(envelope->table)) != table) {
        memories->mark = 0;
        return CLOSER;
    }
    if (table == NULL)
        return UNTRACKED;
    return is_unchanged(envelope, table->tracked) ? UNCHANGED : table->number;
}

#endif
