/* Facts as Python's objects: _envelopes.pyi says which. */
#ifndef MILESTONES_TOLD_H
#define MILESTONES_TOLD_H

#include "facts.h"
#include "hashing.h"

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

static long long number_of(Span value)
{
    long long number = 0;
    for (size_t at = 0; at < value.length; at++)
        number = 10 * number + (value.at[at] - '0');
    return number;
}

/* A number as Python prints it. */
static char *put_number(char *to, Span value)
{
    Span shown = is_null(value) ? (Span)TEXT("None") : value;
    memcpy(to, shown.at, shown.length);
    return to + shown.length;
}

/* What a text says; it may not be null. */
static char *put_said(char *to, Span text)
{
    memcpy(to, text.at + 1, text.length - 2);
    return to + text.length - 2;
}

enum { LONGEST_PLACE = LONGEST_IDENTITY + 5 * (MOST_DIGITS + 1), TOKEN = 8 };

/* `server:file:position:row:milliseconds`: where in the log; `log`: behind the file. */
static char *put_place(char *to, const Span *source, char **log)
{
    to = put_number(to, source[IN_SERVER_ID - IN_TS_MS]);
    *to++ = ':';
    *log = to = put_said(to, source[IN_FILE - IN_TS_MS]);
    const int behind[] = {IN_POS, IN_ROW, IN_TS_MS};
    for (int at = 0; at < 3; at++) {
        *to++ = ':';
        to = put_number(to, source[behind[at] - IN_TS_MS]);
    }
    return to;
}

static void put_token(uint8_t *to, const char *text, const char *end)
{
    blake2b((const uint8_t *)text, (size_t)(end - text), to, TOKEN);
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

/* The log that the last change stands in, and its token: thousands in a row have it. Python's lock guards it. */
static struct {
    char name[LONGEST_PLACE];
    size_t length;
    uint8_t token[TOKEN];
} last_log;

static void put_token_of_log(uint8_t *to, const char *log, const char *end)
{
    const size_t length = (size_t)(end - log);
    if (length != last_log.length || memcmp(log, last_log.name, length) != 0) {
        put_token(last_log.token, log, end);
        memcpy(last_log.name, log, last_log.length = length);
    }
    memcpy(to, last_log.token, TOKEN);
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

/* What the source calls a change; `place` begins with the log's name. Of one without a gtid there is no transaction. */
typedef struct {
    char place[LONGEST_PLACE], text[LONGEST_IDENTITY + 1 + LONGEST_PLACE], transaction[LONGEST_IDENTITY + 1 + MOST_DIGITS];
    char *log_end, *place_end, *text_end, *transaction_end;
    uint8_t token[TOKEN], pair[2 * TOKEN];
    int is_in_transaction;
} Identity;

/* `gtid#place`, in the transaction `gtid#order`, or only where it stands. */
static void put_identity(Identity *to, const Span *source)
{
    const Span gtid = source[IN_GTID - IN_TS_MS], order = source[KEPT_ORDER];
    to->place_end = put_place(to->place, source, &to->log_end);
    to->text_end = to->text;
    if ((to->is_in_transaction = !is_null(gtid) && gtid.length > 2)) {
        to->text_end = put_said(to->text, gtid);
        *to->text_end++ = '#';
        to->transaction_end = put_said(to->transaction, gtid);
        if (!is_null(order)) {
            *to->transaction_end++ = '#';
            to->transaction_end = put_number(to->transaction_end, order);
        }
        put_token(to->pair, to->transaction, to->transaction_end);
        put_token_of_log(to->pair + TOKEN, to->place, to->log_end);
    }
    memcpy(to->text_end, to->place, (size_t)(to->place_end - to->place));
    to->text_end += to->place_end - to->place;
    put_token(to->token, to->text, to->text_end);
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

/* When it happened, in µs: more exactly than in ms if both are of the same time. */
static long long reached_at(const Span *source, long long ms)
{
    const Span exactly = source[IN_TS_US - IN_TS_MS];
    const long long us = is_null(exactly) ? 0 : number_of(exactly);
    return !is_null(exactly) && us / 1000 == ms ? us : 1000 * ms;
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
