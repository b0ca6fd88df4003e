/* Debezium's envelopes in Avro at a glance, each by what was made of its writer's schema: a program.

   Binary encoding: https://avro.apache.org/docs/1.12.0/specification/#binary-encoding. A record is passed over only if
   all of it was read, to its last byte, and its texts are UTF-8; whatever is not certain is `CLOSER`. */
#ifndef MILESTONES_AVRO_H
#define MILESTONES_AVRO_H

#include "envelopes.h"
#include "programs.h"

static inline Text avro_number(Text p, Text end, uint64_t *number)
{
    *number = 0;
    for (int shift = 0; shift < 64 && p < end; shift += 7) {
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1)
            return NULL;
        *number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return p;
    }
    return NULL;
}

static inline int is_utf8(Text p, Text end)
{
    while (p < end) {
        while (end - p >= AT_ONCE) {
            uint64_t half[2];
            memcpy(half, p, AT_ONCE);
            if ((half[0] | half[1]) & UINT64_C(0x8080808080808080))
                break;
            p += AT_ONCE;
        }
        while (p < end && *p < 0x80)
            p++;
        if (p < end && ((p = behind_character(p)) == NULL || p > end))
            return 0;
    }
    return 1;
}

/* Bytes with their length before them. */
static inline Text avro_bytes(Text p, Text end, Span *bytes)
{
    uint64_t length;
    p = avro_number(p, end, &length);
    if (p == NULL || (length & 1) != 0 || length >> 1 > (uint64_t)(end - p))
        return NULL;
    *bytes = (Span){p, (size_t)(length >> 1)};
    return p + bytes->length;
}

static inline Text avro_string(Text p, Text end, Span *text)
{
    p = avro_bytes(p, end, text);
    return p != NULL && is_utf8(text->at, p) ? p : NULL;
}

static Text avro_skip(const Program *program, int32_t type, Text p, Text end, int depth);

/* Items in blocks, each with their number before it, and with its size where that is negative. */
static Text avro_blocks(const Program *program, const AvroType *type, Text p, Text end, int depth)
{
    uint64_t left, size;
    Span key;
    for (;;) {
        if ((p = avro_number(p, end, &left)) == NULL || left == 0)
            return p;
        if ((left & 1) != 0 && (p = avro_number(p, end, &size)) == NULL)
            return NULL;
        for (left = (left >> 1) + (left & 1); left > 0; left--) {
            Text start = p;
            if (type->kind == AVRO_MAP && (p = avro_string(p, end, &key)) == NULL)
                return NULL;
            /* Items of no bytes might be without end. */
            if ((p = avro_skip(program, type->first, p, end, depth)) == NULL || p == start)
                return NULL;
        }
    }
}

/* The branch that a union has here; another type is its own only one. NULL where there is no such branch. */
static inline const AvroType *avro_branch(const Program *program, const AvroType *type, Text *p, Text end)
{
    if (type->kind != AVRO_UNION)
        return type;
    if (*p >= end || (**p & 1) != 0 || **p >> 1 >= type->count)
        return NULL;
    return &program->type[program->part[type->first + (*(*p)++ >> 1)]];
}

static Text avro_skip(const Program *program, int32_t number, Text p, Text end, int depth)
{
    const AvroType *type = avro_branch(program, &program->type[number], &p, end);
    Span ignored;
    uint64_t value;
    if (type == NULL || depth > AVRO_DEEPEST)
        return NULL;
    switch (type->kind) {
    case AVRO_NULL:
        return p;
    case AVRO_BOOLEAN:
        return p < end && *p <= 1 ? p + 1 : NULL;
    case AVRO_NUMBER:
        return avro_number(p, end, &value);
    case AVRO_STRING:
        return avro_string(p, end, &ignored);
    case AVRO_BYTES:
        return avro_bytes(p, end, &ignored);
    case AVRO_FIXED:
        return end - p >= type->count ? p + type->count : NULL;
    case AVRO_ENUM:
        p = avro_number(p, end, &value);
        return p != NULL && (value & 1) == 0 && value >> 1 < (uint64_t)type->count ? p : NULL;
    case AVRO_RECORD:
        for (int32_t at = 0; at < type->count && p != NULL; at++)
            p = avro_skip(program, program->part[type->first + at], p, end, depth + 1);
        return p;
    case AVRO_ARRAY:
    case AVRO_MAP:
        return avro_blocks(program, type, p, end, depth + 1);
    default: /* A union in a union is none of Avro's. */
        return NULL;
    }
}

static Text avro_row(const Program *program, int32_t number, Text p, Text end, Row *row)
{
    const AvroType *type = avro_branch(program, &program->type[number], &p, end);
    if (type == NULL || type->kind == AVRO_NULL)
        return type == NULL ? NULL : p;
    if (type != &program->type[program->row])
        return NULL;
    row->is_there = 1;
    for (int32_t at = 0; at < type->count && p != NULL; at++) {
        Text start = p;
        p = avro_skip(program, program->part[type->first + at], p, end, 1);
        if (p != NULL && program->column[at] >= 0)
            row->column[program->column[at]] = (Span){start, (size_t)(p - start)};
    }
    return p;
}

static inline Text avro_text(const Program *program, int32_t number, Text p, Text end, Span *text)
{
    const AvroType *type = avro_branch(program, &program->type[number], &p, end);
    return type != NULL && type->kind == AVRO_STRING ? avro_string(p, end, text) : NULL;
}

static Text avro_source(const Program *program, int32_t number, Text p, Text end, Span *table)
{
    const AvroType *type = avro_branch(program, &program->type[number], &p, end);
    if (type == NULL || type != &program->type[program->source])
        return NULL;
    for (int32_t at = 0; at < type->count && p != NULL; at++) {
        int32_t part = program->part[type->first + at];
        p = at == program->table_field ? avro_text(program, part, p, end, table) : avro_skip(program, part, p, end, 1);
    }
    return p;
}

static Text avro_field(const Program *program, int32_t at, Text p, Text end, Envelope *envelope)
{
    const AvroType *top = &program->type[program->types - 1];
    int32_t part = program->part[top->first + at], role = program->role[at];
    Span op;
    if (role == FIELD_SOURCE)
        return avro_source(program, part, p, end, &envelope->table);
    if (role == FIELD_OP) {
        p = avro_text(program, part, p, end, &op);
        if (p == NULL || op.length != 1 || memchr("curd", *op.at, 4) == NULL)
            return NULL;
        envelope->op = *op.at;
        return p;
    }
    if (role == FIELD_NULL) {
        const AvroType *type = avro_branch(program, &program->type[part], &p, end);
        return type != NULL && type->kind == AVRO_NULL ? p : NULL;
    }
    if ((role != FIELD_BEFORE && role != FIELD_AFTER) || program->row < 0)
        return avro_skip(program, part, p, end, 1);
    return avro_row(program, part, p, end, role == FIELD_BEFORE ? &envelope->before : &envelope->after);
}

static int32_t avro_says(Text p, Text end, const Program *program)
{
    Envelope envelope = {.op = 0};
    for (int32_t at = 0; at < program->roles && p != NULL; at++)
        p = avro_field(program, at, p, end, &envelope);
    if (p != end || envelope.op == 0 || !spans_equal(envelope.table, program->table))
        return CLOSER;
    if (program->row < 0)
        return UNTRACKED;
    return is_unchanged(&envelope, program->columns) ? UNCHANGED : CLOSER;
}

/* What a record in Confluent's wire format says: 0x00, the schema's id in four bytes, the Avro. */
static int32_t wired_says(Text p, size_t length, const Programs *programs)
{
    if (length < 5)
        return CLOSER;
    uint32_t id = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    size_t from = 0, to = programs->count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (programs->program[middle].id == id)
            return avro_says(p + 5, p + length, &programs->program[middle]);
        if (programs->program[middle].id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return CLOSER;
}

#endif
