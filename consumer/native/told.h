/* Facts as Python's objects: _envelopes.pyi says which. */
#ifndef MILESTONES_TOLD_H
#define MILESTONES_TOLD_H

#include "facts.h"

/* None where there is nothing; a new reference, or NULL with an exception set, as all of these. */
static PyObject *text_of(Span value)
{
    if (is_null(value) || value.length == 2)
        return Py_NewRef(Py_None);
    return PyUnicode_DecodeUTF8((const char *)value.at + 1, (Py_ssize_t)value.length - 2, NULL);
}

static PyObject *texts_of(const Span *column, int32_t count)
{
    PyObject *texts = PyTuple_New(count);
    for (int32_t at = 0; texts != NULL && at < count; at++) {
        PyObject *text = text_of(column[at]);
        if (text == NULL || PyTuple_SetItem(texts, at, text) < 0)
            Py_CLEAR(texts);
    }
    return texts;
}

static PyObject *number_of(Span value)
{
    long long number = 0;
    if (is_null(value))
        return Py_NewRef(Py_None);
    for (size_t at = 0; at < value.length; at++)
        number = 10 * number + (value.at[at] - '0');
    return PyLong_FromLongLong(number);
}

/* A number as Python prints it. */
static char *put_number(char *to, Span value)
{
    Span shown = is_null(value) ? (Span)TEXT("None") : value;
    memcpy(to, shown.at, shown.length);
    return to + shown.length;
}

/* `server:file`, and `server:file:position:row:milliseconds`: which file of which server, and where in it. */
static PyObject *places_of(const Span *source)
{
    char text[LONGEST_IDENTITY + 5 * (MOST_DIGITS + 1)], *to = text;
    Span file = source[IN_FILE - IN_TS_MS];
    to = put_number(to, source[IN_SERVER_ID - IN_TS_MS]);
    *to++ = ':';
    memcpy(to, file.at + 1, file.length - 2);
    to += file.length - 2;
    Py_ssize_t log = to - text;
    const int behind[] = {IN_POS, IN_ROW, IN_TS_MS};
    for (int at = 0; at < 3; at++) {
        *to++ = ':';
        to = put_number(to, source[behind[at] - IN_TS_MS]);
    }
    return Py_BuildValue("(s#s#)", text, log, text, (Py_ssize_t)(to - text));
}

/* Sets one item of a tuple, whose reference it takes; 0 where there is none to set. */
static int put(PyObject *tuple, Py_ssize_t at, PyObject *item)
{
    return item != NULL && PyTuple_SetItem(tuple, at, item) == 0;
}

/* (before, after, places, gtid, order, ms, µs). */
static PyObject *told_of(const Span *span, const Table *table)
{
    const Span *after = span + table->tracked, *source = after + table->columns;
    int is_update = table->tracked > 0 && span->at != NULL;
    PyObject *told = PyTuple_New(7);
    if (told == NULL)
        return NULL;
    if (put(told, 0, is_update ? texts_of(span, table->tracked) : Py_NewRef(Py_None)) &&
        put(told, 1, texts_of(after, table->columns)) && put(told, 2, places_of(source)) &&
        put(told, 3, text_of(source[IN_GTID - IN_TS_MS])) && put(told, 4, number_of(source[KEPT_ORDER])) &&
        put(told, 5, number_of(source[0])) && put(told, 6, number_of(source[IN_TS_US - IN_TS_MS])))
        return told;
    Py_DECREF(told);
    return NULL;
}

#endif
