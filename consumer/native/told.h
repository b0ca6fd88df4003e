/* Facts as Python's objects: _envelopes.pyi says which. */
#ifndef MILESTONES_TOLD_H
#define MILESTONES_TOLD_H

#include "identities.h"

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

/* Sets one item of a tuple, whose reference it takes; 0 where there is none to set. */
static int put(PyObject *tuple, Py_ssize_t at, PyObject *item)
{
    return item != NULL && PyTuple_SetItem(tuple, at, item) == 0;
}

/* What identities are; they live as long as the module. */
static PyObject *kind_gtid, *kind_binlog;

static int name_kinds(void)
{
    kind_gtid = PyUnicode_InternFromString("gtid");
    kind_binlog = PyUnicode_InternFromString("binlog");
    return kind_gtid != NULL && kind_binlog != NULL;
}

/* A text that was seen to be UTF-8. */
static PyObject *text_between(const char *text, const char *end)
{
    return PyUnicode_DecodeUTF8(text, end - text, NULL);
}

static PyObject *bytes_between(const uint8_t *bytes, Py_ssize_t length)
{
    return PyBytes_FromStringAndSize((const char *)bytes, length);
}

/* (kind, text, transaction, log, place, token, pair). */
static PyObject *identity_of(const Span *source)
{
    Identity said;
    put_identity(&said, source);
    const int more = said.is_in_transaction;
    PyObject *identity = PyTuple_New(7);
    if (identity == NULL)
        return NULL;
    if (put(identity, 0, Py_NewRef(more ? kind_gtid : kind_binlog)) &&
        put(identity, 1, text_between(said.text, said.text_end)) &&
        put(identity, 2, more ? text_between(said.transaction, said.transaction_end) : Py_NewRef(Py_None)) &&
        put(identity, 3, more ? text_between(said.place, said.log_end) : Py_NewRef(Py_None)) &&
        put(identity, 4, text_between(said.place, said.place_end)) &&
        put(identity, 5, bytes_between(said.token, TOKEN)) &&
        put(identity, 6, bytes_between(said.pair, more ? 2 * TOKEN : 0)))
        return identity;
    Py_DECREF(identity);
    return NULL;
}

/* (before, after, identity, µs, ms). */
static PyObject *told_of(const Span *span, const Table *table)
{
    const Span *after = span + table->tracked, *source = after + table->columns;
    int is_update = table->tracked > 0 && span->at != NULL;
    const long long ms = number_of(source[0]);
    PyObject *told = PyTuple_New(5);
    if (told == NULL)
        return NULL;
    if (put(told, 0, is_update ? texts_of(span, table->tracked) : Py_NewRef(Py_None)) &&
        put(told, 1, texts_of(after, table->columns)) && put(told, 2, identity_of(source)) &&
        put(told, 3, PyLong_FromLongLong(reached_at(source, ms))) && put(told, 4, PyLong_FromLongLong(ms)))
        return told;
    Py_DECREF(told);
    return NULL;
}

#endif
