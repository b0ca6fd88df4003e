/* What is known of a writer's Avro schema: a program, made by consumer/formats/avro_programs.py, and checked before it
   is used: no number in it is believed. */
#ifndef MILESTONES_PROGRAMS_H
#define MILESTONES_PROGRAMS_H

#include "json.h"

enum { MOST_COLUMNS = 32 };

enum { AVRO_DEEPEST = 64, AVRO_BRANCHES = 64 };

enum {
    AVRO_NULL,
    AVRO_BOOLEAN,
    AVRO_NUMBER, /* int, long */
    AVRO_STRING,
    AVRO_BYTES,
    AVRO_FIXED,  /* fixed, float, double: `count` bytes */
    AVRO_ENUM,   /* `count` symbols */
    AVRO_RECORD, /* `count` parts from `first` on: the types of its fields */
    AVRO_UNION,  /* `count` parts from `first` on: its branches */
    AVRO_ARRAY,  /* `first`: the items' type */
    AVRO_MAP,    /* `first`: the values' type */
    AVRO_KINDS
};

/* What a field of the envelope is for. */
enum { FIELD_OTHER, FIELD_BEFORE, FIELD_AFTER, FIELD_SOURCE, FIELD_OP, FIELD_NULL, FIELD_ROLES };

typedef struct {
    int32_t kind, first, count;
} AvroType;

/* A type stands behind all that it is made of; the last one is the envelope. */
typedef struct {
    uint32_t id; /* of the schema, as Confluent's wire format has it */
    int32_t types, parts, roles, fields; /* how many there are */
    const AvroType *type;
    const int32_t *part;
    const int32_t *role;   /* of each field of the envelope */
    const int32_t *column; /* of each field of a row: its number among the tracked ones, or -1 */
    int32_t columns;
    int32_t row;         /* the type of rows; -1 where the table is not tracked, and rows are passed over */
    int32_t source;      /* the type of `source` */
    int32_t table_field; /* which of its fields says the table */
    Span table;          /* the table that this schema is used for */
} Program;

typedef struct {
    Program *program; /* in order of their ids */
    size_t count;
} Programs;

static inline int is_type(const Program *program, int32_t number, int32_t kind)
{
    return number >= 0 && number < program->types && program->type[number].kind == kind;
}

/* Whether all numbers of a program are of what it has: then nothing outside of it is ever read. */
static int is_sound(const Program *program)
{
    for (int32_t at = 0; at < program->types; at++) {
        const AvroType *type = &program->type[at];
        if (type->kind < 0 || type->kind >= AVRO_KINDS || type->count < 0 || type->first < 0)
            return 0;
        if ((type->kind == AVRO_ARRAY || type->kind == AVRO_MAP) && type->first >= at)
            return 0;
        if (type->kind != AVRO_RECORD && type->kind != AVRO_UNION)
            continue;
        if (type->first > program->parts || type->count > program->parts - type->first)
            return 0;
        if (type->kind == AVRO_UNION && type->count > AVRO_BRANCHES)
            return 0;
        for (int32_t part = 0; part < type->count; part++)
            if (program->part[type->first + part] < 0 || program->part[type->first + part] >= at)
                return 0;
    }
    if (!is_type(program, program->types - 1, AVRO_RECORD) || !is_type(program, program->source, AVRO_RECORD))
        return 0;
    if (program->type[program->types - 1].count != program->roles || program->table.length == 0)
        return 0;
    for (int32_t at = 0; at < program->roles; at++)
        if (program->role[at] < 0 || program->role[at] >= FIELD_ROLES)
            return 0;
    for (int32_t at = 0; at < program->fields; at++)
        if (program->column[at] < -1 || program->column[at] >= program->columns)
            return 0;
    if (program->columns < 0 || program->columns > MOST_COLUMNS)
        return 0;
    return program->row < 0 || (is_type(program, program->row, AVRO_RECORD) && program->columns > 0
                                && program->type[program->row].count == program->fields);
}

#endif
