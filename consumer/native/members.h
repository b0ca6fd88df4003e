/* Rows and `source`: objects whose members stand in the same order in record after record.

   What an object had is remembered. Where the next one says the same, byte for byte, nothing is read again: a row after
   a change is mostly the row before it, and the names of columns are those of the table's last record. That the same
   bytes are the same member rests on two things: a memory is of one table, whose columns are numbered in it, and where
   a value ends is not told by its bytes alone, but by what stands behind them. */
#ifndef MILESTONES_MEMBERS_H
#define MILESTONES_MEMBERS_H

#include "json.h"
#include "programs.h"

/* The columns whose changes count come first, and after them what else is told of a change. */
typedef struct {
    Span name;
    int32_t number;
    int32_t tracked; /* More than MOST_COLUMNS: it is always looked at more closely. */
    int32_t columns;
    int32_t is_told; /* Whether usual changes are told in full: facts.h. */
    uint64_t lengths; /* Bit n: there is a column whose name has n bytes, or n + 64, and so on. */
    Span column[MOST_COLUMNS];
} Table;

enum { MOST_MEMBERS = 100 };

/* A member that was read: `"name":` has `name` bytes, with all space in it, and what follows `value` bytes. */
typedef struct {
    Text at;
    uint32_t name, value;
    int32_t column;
} Member;

/* The members of an object of a table, in their order; those behind the last place all take turns in it. `whole`: so many
   of them, from the first on, stand one behind the other in the last object. */
typedef struct {
    const Table *of;
    int32_t count, whole;
    Member member[MOST_MEMBERS];
} Memory;

/* For when its bytes are there no more, or it is to be of another table. */
static inline void forget(Memory *memory, const Table *table)
{
    memory->of = table;
    memory->count = memory->whole = 0;
}

typedef struct {
    int is_there;
    Span column[MOST_COLUMNS];
} Row;

static inline int column_named(const Table *table, Span name)
{
    if (!(table->lengths >> (name.length & 63) & 1))
        return -1;
    for (int column = 0; column < table->columns; column++)
        if (spans_equal(table->column[column], name))
            return column;
    return -1;
}

static inline uint64_t eight(Text p)
{
    uint64_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return bytes;
}

/* What memcmp says; of the few bytes that members have, in a third of the time. */
static inline int are_same(Text one, Text other, size_t length)
{
    if (length < 8) {
        while (length > 0 && one[length - 1] == other[length - 1])
            length--;
        return length == 0;
    }
    for (size_t at = 0; at + 8 < length; at += 8)
        if (eight(one + at) != eight(other + at))
            return 0;
    return eight(one + length - 8) == eight(other + length - 8);
}

/* Whether the same bytes stand at `p`, and at least one more. */
static inline int stands_at(Text p, Text end, Text bytes, size_t length)
{
    return (size_t)(end - p) > length && are_same(p, bytes, length);
}

/* Behind a value. One that was read before ends where it did then, if a member can end there: a number might go on. */
static inline Text known_value(Text p, Text end, const Member *member)
{
    if (stands_at(p, end, member->at + member->name, member->value)) {
        Text behind = p + member->value;
        if (*behind == ',' || *behind == '}')
            return behind;
    }
    return json_value(p, end, 2);
}

/* Behind the member that begins at `p`. `*member` becomes what was read; it was a member in this place if `is_known`.
   `same`: so many bytes are those of that one, and then another; 0 where nobody compared them. */
static inline Text read_column(Text p, Text end, const Table *table, Member *member, int is_known, size_t same)
{
    Text value, behind;
    int32_t column;
    if (is_known && ((same > 0 && same >= member->name) || stands_at(p, end, member->at, member->name))) {
        value = behind_space(p + member->name);
        column = member->column;
        if (same > 0 && same < member->name + member->value)
            behind = json_value(value, end, 2);
        else
            behind = known_value(value, end, member);
    } else {
        Span name;
        if ((value = json_name(p, end, &name)) == NULL)
            return NULL;
        column = column_named(table, name);
        behind = json_value(value, end, 2);
    }
    if (behind != NULL)
        *member = (Member){p, (uint32_t)(value - p), (uint32_t)(behind - value), column};
    return behind;
}

/* How many bytes are the same in both, of so many at most. */
static inline size_t same_bytes(Text one, Text other, size_t most)
{
    size_t at = 0;
    for (; at + AT_ONCE <= most; at += AT_ONCE) {
        Block first, second;
        memcpy(&first, one + at, AT_ONCE);
        memcpy(&second, other + at, AT_ONCE);
        Block differs = (Block)(first != second);
        if (any_holds(differs))
            return at + (size_t)first_that_holds(differs);
    }
    while (at < most && one[at] == other[at])
        at++;
    return at;
}

/* Notes where a column stands; 0 where it stood before. */
static inline int note_column(const Member *member, Row *row)
{
    if (member->column < 0)
        return 1;
    Span *column = &row->column[member->column];
    if (column->at != NULL)
        return 0;
    *column = (Span){member->at + member->name, member->value};
    return 1;
}

/* Steps over the members that stand here as they did in the last object, byte for byte, with the first byte of the next:
   they are what they were. Behind them, with the number of that next one in `*at`, and in `*begins` how many bytes of it
   are the same before another one; NULL where a column stands twice. */
static inline Text behind_same(Text p, Text end, Memory *memory, int32_t whole, int32_t *at, size_t *begins, Row *row)
{
    Member *member = &memory->member[*at], *last = &memory->member[whole - 1];
    Text was = member->at;
    size_t most = (size_t)(last->at - was) + 1, left = (size_t)(end - p);
    if (left < most)
        most = left;
    size_t same = same_bytes(p, was, most);
    for (; member < last && (size_t)(member[1].at - was) < same; member++) {
        member->at = p + (member->at - was);
        if (!note_column(member, row))
            return NULL;
    }
    *at = (int32_t)(member - memory->member);
    *begins = same < most ? same - (size_t)(member->at - was) : 0;
    return p + (member->at - was);
}

/* An object, or null, with the columns of its table, none of which may stand twice. */
static Text read_row(Text p, Text end, const Table *table, Memory *memory, Row *row)
{
    int more;
    if (*p != '{')
        return json_word(p, end, "null", 4);
    if (memory->of != table)
        forget(memory, table);
    row->is_there = 1;
    memset(row->column, 0, sizeof(Span) * (size_t)table->columns);
    int32_t at = 0, whole = memory->whole;
    memory->whole = 0; /* It is not, until all of this one is read. */
    p = json_first(p, '}', &more);
    while (more) {
        size_t begins = 0;
        if (at + 1 < whole && (p = behind_same(p, end, memory, whole, &at, &begins, row)) == NULL)
            return NULL;
        Member *member = &memory->member[at];
        p = read_column(p, end, table, member, at < memory->count, begins);
        if (p == NULL || !note_column(member, row))
            return NULL;
        if (at == memory->count)
            memory->count++;
        at += at < MOST_MEMBERS - 1;
        if ((p = json_next(p, '}', &more)) == NULL)
            return NULL;
    }
    memory->whole = at;
    return p;
}

#endif
