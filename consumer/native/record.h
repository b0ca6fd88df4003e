/* A consumed record as Python sees it: _envelopes.pyi says what it promises. */
#ifndef MILESTONES_RECORD_H
#define MILESTONES_RECORD_H

#include <stddef.h>

#include "intake.h"
#include "keys.h"

/* `headers`: a list of (name, value), both as bytes; None where they cannot be read, NULL where there are none.
   `table` and `facts`: what the first look said. */
typedef struct {
    PyObject_HEAD
    PyObject *topic, *key, *value, *headers, *facts;
    int64_t offset, timestamp;
    int32_t partition, table;
    int timestamp_kind;
    Passed passed;
    int32_t passed_of_all;
} Record;

static PyTypeObject *record_type;

static void free_record(PyObject *self)
{
    Record *record = (Record *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(record->topic);
    Py_XDECREF(record->key);
    Py_XDECREF(record->value);
    Py_XDECREF(record->headers);
    Py_XDECREF(record->facts);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *or_none(PyObject *object)
{
    return Py_NewRef(object == NULL ? Py_None : object);
}

static PyObject *record_topic(PyObject *self, PyObject *Py_UNUSED(none))
{
    return or_none(((Record *)self)->topic);
}

static PyObject *record_partition(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyLong_FromLong(((Record *)self)->partition);
}

static PyObject *record_offset(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyLong_FromLongLong(((Record *)self)->offset);
}

static PyObject *record_key(PyObject *self, PyObject *Py_UNUSED(none))
{
    return or_none(((Record *)self)->key);
}

static PyObject *record_value(PyObject *self, PyObject *Py_UNUSED(none))
{
    return or_none(((Record *)self)->value);
}

static PyObject *record_timestamp(PyObject *self, PyObject *Py_UNUSED(none))
{
    return Py_BuildValue("(iL)", ((Record *)self)->timestamp_kind, (long long)((Record *)self)->timestamp);
}

static PyObject *record_headers(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *raw = ((Record *)self)->headers;
    if (raw == NULL)
        return Py_NewRef(Py_None);
    if (raw == Py_None) {
        PyErr_SetString(PyExc_SystemError, "Kafka's client cannot read the headers");
        return NULL;
    }
    PyObject *headers = PyList_New(0);
    for (Py_ssize_t at = 0; headers != NULL && at < PyList_Size(raw); at++) {
        const char *name;
        PyObject *value, *header = NULL;
        if (PyArg_ParseTuple(PyList_GetItem(raw, at), "yO", &name, &value))
            header = Py_BuildValue("(sO)", name, value);
        if (header == NULL || PyList_Append(headers, header) < 0)
            Py_CLEAR(headers);
        Py_XDECREF(header);
    }
    return headers;
}

static PyObject *record_table(PyObject *self, void *Py_UNUSED(none))
{
    return PyLong_FromLong(((Record *)self)->table);
}

static PyObject *record_facts(PyObject *self, void *Py_UNUSED(none))
{
    return or_none(((Record *)self)->facts);
}

/* Only where there are no headers, which might say how the key is to be read. */
static PyObject *record_name(PyObject *self, void *Py_UNUSED(none))
{
    const Record *record = (const Record *)self;
    Span name = {NULL, 0};
    if (record->key != NULL && record->headers == NULL)
        name = name_in_key((Span){(Text)PyBytes_AsString(record->key), (size_t)PyBytes_Size(record->key)});
    return name.at == NULL ? Py_NewRef(Py_None)
                           : PyUnicode_DecodeASCII((const char *)name.at, (Py_ssize_t)name.length, NULL);
}

static PyObject *record_passed(PyObject *self, void *Py_UNUSED(none))
{
    Passed passed = ((Record *)self)->passed;
    return Py_BuildValue("(ii)", (int)passed.untracked, (int)passed.unchanged);
}

static PyObject *record_passed_of_all(PyObject *self, void *Py_UNUSED(none))
{
    return PyLong_FromLong(((Record *)self)->passed_of_all);
}

static PyMethodDef record_methods[] = {
    {"topic", record_topic, METH_NOARGS, NULL},
    {"partition", record_partition, METH_NOARGS, NULL},
    {"offset", record_offset, METH_NOARGS, NULL},
    {"key", record_key, METH_NOARGS, NULL},
    {"value", record_value, METH_NOARGS, NULL},
    {"headers", record_headers, METH_NOARGS, NULL},
    {"timestamp", record_timestamp, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef record_attributes[] = {
    {"table", record_table, NULL, NULL, NULL},
    {"facts", record_facts, NULL, NULL, NULL},
    {"name", record_name, NULL, NULL, NULL},
    {"passed", record_passed, NULL, NULL, NULL},
    {"passed_of_all", record_passed_of_all, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot record_slots[] = {
    {Py_tp_dealloc, (void *)free_record},
    {Py_tp_methods, record_methods},
    {Py_tp_getset, record_attributes},
    {0, NULL},
};

static PyType_Spec record_spec = {
    .name = "consumer.native._envelopes.Record",
    .basicsize = sizeof(Record),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = record_slots,
};

/* Sets an object that may be NULL for nothing; 0 where it could not be made. */
static int set_bytes(PyObject **to, Span bytes)
{
    return bytes.at == NULL || (*to = PyBytes_FromStringAndSize((const char *)bytes.at, (Py_ssize_t)bytes.length)) != NULL;
}

static int set_headers(Record *record, const Message *message)
{
    void *headers;
    int error = message == NULL ? ERR_NOENT : librdkafka.message_headers(message, &headers);
    if (error == ERR_NOENT)
        return 1;
    if (error != 0) {
        record->headers = Py_NewRef(Py_None);
        return 1;
    }
    PyObject *list = record->headers = PyList_New(0);
    const char *name;
    const void *value;
    size_t size;
    for (size_t at = 0; list != NULL && librdkafka.header_get_all(headers, at, &name, &value, &size) == 0; at++) {
        PyObject *header = Py_BuildValue("(yy#)", name, (const char *)value, (Py_ssize_t)size);
        int is_added = header != NULL && PyList_Append(list, header) == 0;
        Py_XDECREF(header);
        if (!is_added)
            return 0;
    }
    return list != NULL;
}

/* A message as a record; NULL with an exception set. */
static PyObject *record_of(const Taken *taken, PyObject *topic, const Facts *facts, const Plan *plan)
{
    Record *record = PyObject_New(Record, record_type);
    if (record == NULL)
        return NULL;
    record->topic = Py_NewRef(topic);
    record->key = record->value = record->headers = record->facts = NULL;
    record->partition = taken->partition;
    record->offset = taken->offset;
    record->timestamp = taken->timestamp;
    record->timestamp_kind = taken->timestamp_kind;
    record->table = taken->what;
    record->passed = taken->passed;
    record->passed_of_all = taken->passed_of_all;
    if (set_bytes(&record->key, taken->key) && set_bytes(&record->value, taken->value) &&
        set_headers(record, taken->message) &&
        (taken->kept == NOT_KEPT ||
         (record->facts = told_of(facts->span + taken->kept, &plan->table[taken->what])) != NULL))
        return (PyObject *)record;
    Py_DECREF(record);
    return NULL;
}

#endif
