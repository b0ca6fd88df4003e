/* Milestones as the events that announce them: what `announcement_by_msgspec` in consumer/core/milestones.py says, which
   is the reference (tests/native), without an object for each part. _envelopes.pyi says what this function promises. */
#ifndef MILESTONES_ANNOUNCING_H
#define MILESTONES_ANNOUNCING_H

#include "naming.h"
#include "times.h"

/* A milestone's fields, in the order of their names in `Milestone`. */
enum {
    M_ID, M_TYPE, M_NAME, M_FIELD, M_VALUE, M_TRACKER, M_FROM, M_FROM_KNOWN, M_REVISION, M_OCCURRENCE, M_REACHED_AT,
    M_RECORDED_AT, M_ACTOR, M_IDENTITY, M_IDENTITY_KIND, M_TOPIC_ID, M_PARTITION, M_OFFSET, M_ANNOUNCE, M_SILENT,
    M_LABELS, M_OWNER, MILESTONE_FIELDS
};

/* How a field is written; the last two only if they are there, with their names. */
enum { A_TEXT, A_TEXT_OR_NULL, A_NUMBER, A_NUMBER_OR_NULL, A_TIME, A_TEXT_IF_THERE, JSON_IF_THERE };

typedef struct {
    const char *before;
    size_t length;
    int field, form;
} Part;

#define BEFORE(literal) literal, sizeof(literal) - 1

static const Part PARTS[] = {
    {BEFORE("{\"id\":"), M_ID, A_TEXT},
    {BEFORE(",\"reference_type\":"), M_TYPE, A_TEXT},
    {BEFORE(",\"reference_name\":"), M_NAME, A_TEXT},
    {BEFORE(",\"track_field\":"), M_FIELD, A_TEXT},
    {BEFORE(",\"value\":"), M_VALUE, A_TEXT},
    {BEFORE(",\"from_value\":"), M_FROM, A_TEXT_OR_NULL},
    {BEFORE(",\"from_value_known\":"), M_FROM_KNOWN, A_TEXT},
    {BEFORE(",\"milestone_tracker\":"), M_TRACKER, A_TEXT},
    {BEFORE(",\"tracker_revision\":"), M_REVISION, A_TEXT_OR_NULL},
    {BEFORE(",\"occurrence\":"), M_OCCURRENCE, A_NUMBER_OR_NULL},
    {BEFORE(",\"reached_at\":"), M_REACHED_AT, A_TIME},
    {BEFORE(",\"recorded_at\":"), M_RECORDED_AT, A_TIME},
    {BEFORE(",\"actor\":"), M_ACTOR, A_TEXT_OR_NULL},
    {BEFORE(",\"source_identity\":"), M_IDENTITY, A_TEXT_OR_NULL},
    {BEFORE(",\"source_identity_kind\":"), M_IDENTITY_KIND, A_TEXT_OR_NULL},
    {BEFORE(",\"origin\":{\"topic_id\":"), M_TOPIC_ID, A_TEXT},
    {BEFORE(",\"partition\":"), M_PARTITION, A_NUMBER},
    {BEFORE(",\"offset\":"), M_OFFSET, A_NUMBER},
    /* Behind the origin's end. */
    {BEFORE(",\"labels\":"), M_LABELS, JSON_IF_THERE},
    {BEFORE(",\"owner\":"), M_OWNER, A_TEXT_IF_THERE},
};

enum { PART_COUNT = sizeof PARTS / sizeof *PARTS, LONGEST_PLAIN = 32, LONGEST_ESCAPE = 6, ON_STACK = 4096 };
enum { GIVEN_HEADERS = 4, HEADERS = 7 };

/* A field as C has it: a text in UTF-8, or a number; `is_none`: neither. */
typedef struct {
    const char *at;
    Py_ssize_t length;
    int64_t number;
    int is_none;
} Field;

/* What anybody who owns the table may leave empty, in rows made by hand. */
static inline int may_be_none(int form)
{
    return form == A_TEXT_OR_NULL || form == A_NUMBER_OR_NULL || form >= A_TEXT_IF_THERE;
}

/* 0 with an exception set where it is none of its form. */
static int take_field(PyObject *fields, const Part *part, Field *field)
{
    PyObject *said = PyTuple_GetItem(fields, part->field);
    *field = (Field){NULL, 0, 0, said == Py_None};
    if (field->is_none && may_be_none(part->form))
        return 1;
    if (part->form == A_NUMBER || part->form == A_NUMBER_OR_NULL || part->form == A_TIME)
        field->number = PyLong_AsLongLong(said);
    else
        field->at = PyUnicode_AsUTF8AndSize(said, &field->length);
    if (PyErr_Occurred())
        return 0;
    return part->form != A_TIME || is_printable_time(field->number);
}

static char *put_bytes(char *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
    return to + length;
}

/* What stands for a byte within a text of JSON; nothing for most of them. */
static const char *escaped(unsigned char byte)
{
    static const char *const said[] = {
        "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007",
        "\\b",     "\\t",     "\\n",     "\\u000b", "\\f",     "\\r",     "\\u000e", "\\u000f",
        "\\u0010", "\\u0011", "\\u0012", "\\u0013", "\\u0014", "\\u0015", "\\u0016", "\\u0017",
        "\\u0018", "\\u0019", "\\u001a", "\\u001b", "\\u001c", "\\u001d", "\\u001e", "\\u001f",
    };
    return byte < ' ' ? said[byte] : byte == '"' ? "\\\"" : byte == '\\' ? "\\\\" : NULL;
}

static char *put_text(char *to, const Field *field)
{
    const char *at = field->at, *end = at + field->length;
    *to++ = '"';
    while (at < end) {
        const char *plain = at, *instead = NULL;
        while (at < end && (instead = escaped((unsigned char)*at)) == NULL)
            at++;
        to = put_bytes(to, plain, (size_t)(at - plain));
        if (instead != NULL)
            to = put_bytes(to, instead, strlen(instead));
        at += instead != NULL;
    }
    *to++ = '"';
    return to;
}

static char *put_int(char *to, int64_t number)
{
    char digits[LONGEST_PLAIN];
    int count = 0;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    if (number < 0)
        *to++ = '-';
    do
        digits[count++] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

static char *put_quoted_time(char *to, int64_t micros)
{
    *to++ = '"';
    to = put_time(to, micros);
    *to++ = '"';
    return to;
}

static char *put_field(char *to, int form, const Field *field)
{
    if (field->is_none)
        return put_bytes(to, "null", 4);
    if (form == A_NUMBER || form == A_NUMBER_OR_NULL)
        return put_int(to, field->number);
    if (form == A_TIME)
        return put_quoted_time(to, field->number);
    return form == JSON_IF_THERE ? put_bytes(to, field->at, (size_t)field->length) : put_text(to, field);
}

/* The event's value; behind it. */
static char *put_value(char *to, const Field *field)
{
    for (int at = 0; at < PART_COUNT; at++) {
        const Part *part = &PARTS[at];
        if (part->form >= A_TEXT_IF_THERE && field[part->field].is_none)
            continue;
        to = put_bytes(to, part->before, part->length);
        to = put_field(to, part->form, &field[part->field]);
        if (part->field == M_OFFSET)
            *to++ = '}';
    }
    *to++ = '}';
    return to;
}

/* How long the value may be at most. */
static size_t longest_value(const Field *field)
{
    size_t longest = 2;
    for (int at = 0; at < PART_COUNT; at++)
        longest += PARTS[at].length + LONGEST_PLAIN + LONGEST_ESCAPE * (size_t)field[PARTS[at].field].length;
    return longest;
}

static PyObject *value_of(const Field *field)
{
    char on_stack[ON_STACK], *text = on_stack;
    const size_t longest = longest_value(field);
    if (longest > sizeof on_stack && (text = malloc(longest)) == NULL)
        return PyErr_NoMemory();
    PyObject *value = PyBytes_FromStringAndSize(text, put_value(text, field) - text);
    if (text != on_stack)
        free(text);
    return value;
}

/* `type/name`. */
static PyObject *subject_of(const Field *field)
{
    const Field *type = &field[M_TYPE], *name = &field[M_NAME];
    PyObject *subject = PyBytes_FromStringAndSize(NULL, type->length + 1 + name->length);
    if (subject == NULL)
        return NULL;
    char *to = put_bytes(PyBytes_AsString(subject), type->at, (size_t)type->length);
    *to++ = '/';
    put_bytes(to, name->at, (size_t)name->length);
    return subject;
}

/* The names of headers that are made here: they live as long as the module. */
static PyObject *name_of_id, *name_of_time, *name_of_subject;

static int name_headers(void)
{
    name_of_id = PyUnicode_InternFromString("ce_id");
    name_of_time = PyUnicode_InternFromString("ce_time");
    name_of_subject = PyUnicode_InternFromString("ce_subject");
    return name_of_id != NULL && name_of_time != NULL && name_of_subject != NULL;
}

/* A header whose value it takes the reference of; NULL where there is none, with an exception set. */
static PyObject *header_of(PyObject *name, PyObject *value)
{
    PyObject *header = value == NULL ? NULL : PyTuple_Pack(2, name, value);
    Py_XDECREF(value);
    return header;
}

static PyObject *time_of(const Field *field)
{
    char text[LONGEST_PLAIN];
    return PyBytes_FromStringAndSize(text, put_time(text, field->number) - text);
}

/* Puts a header into its place, whose reference it takes; 0 where there is none. */
static int put_header(PyObject *headers, Py_ssize_t at, PyObject *header)
{
    return header != NULL && PyList_SetItem(headers, at, header) == 0;
}

/* In the order of `event_of`; some are given. */
static PyObject *headers_of(const Field *field, PyObject *subject, PyObject *given)
{
    const Field *id = &field[M_ID];
    PyObject *headers = PyList_New(HEADERS);
    if (headers == NULL)
        return NULL;
    const int place[GIVEN_HEADERS] = {0, 2, 3, 6};
    for (int at = 0; at < GIVEN_HEADERS; at++)
        put_header(headers, place[at], Py_NewRef(PyTuple_GetItem(given, at)));
    if (put_header(headers, 1, header_of(name_of_id, PyBytes_FromStringAndSize(id->at, id->length))) &&
        put_header(headers, 4, header_of(name_of_time, time_of(&field[M_REACHED_AT]))) &&
        put_header(headers, 5, header_of(name_of_subject, Py_NewRef(subject))))
        return headers;
    Py_DECREF(headers);
    return NULL;
}

static PyObject *announcement(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || !PyTuple_Check(arguments[0]) || PyTuple_Size(arguments[0]) != MILESTONE_FIELDS ||
        !PyTuple_Check(arguments[1]) || PyTuple_Size(arguments[1]) != GIVEN_HEADERS)
        return PyErr_Format(PyExc_TypeError, "the fields of a milestone, and four headers");
    Field field[MILESTONE_FIELDS];
    for (int at = 0; at < PART_COUNT; at++)
        if (!take_field(arguments[0], &PARTS[at], &field[PARTS[at].field]))
            return NULL;
    PyObject *subject = subject_of(field), *value = value_of(field);
    PyObject *headers = subject == NULL ? NULL : headers_of(field, subject, arguments[1]);
    PyObject *event = value == NULL || headers == NULL ? NULL : PyTuple_Pack(3, subject, value, headers);
    Py_XDECREF(subject);
    Py_XDECREF(value);
    Py_XDECREF(headers);
    return event;
}

#endif
