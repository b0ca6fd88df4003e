/* Events on their way to a producer, many of a topic in one call: _envelopes.pyi says what these functions promise. */
#ifndef MILESTONES_PRODUCING_H
#define MILESTONES_PRODUCING_H

#include "taking.h"

/* The tags of `producev` (rd_kafka_vtype_t) that are used, and two of its values. */
enum { V_END = 0, V_TOPIC = 1, V_VALUE = 4, V_KEY = 5, V_FLAGS = 7, V_HEADERS = 10, FLAG_COPY = 2, NAME_ENDS = -1 };

/* Adds (name, value) of each header; 0 with an exception set where one is none. */
static int add_headers(void *headers, PyObject *list)
{
    for (Py_ssize_t at = 0; at < PyList_Size(list); at++) {
        const char *name, *value;
        Py_ssize_t size;
        PyObject *header = PyList_GetItem(list, at);
        if (!PyTuple_Check(header))
            PyErr_SetString(PyExc_TypeError, "a header is a tuple");
        else if (PyArg_ParseTuple(header, "sz#", &name, &value, &size) &&
                 librdkafka.header_add(headers, name, NAME_ENDS, value, size) != 0)
            PyErr_NoMemory();
        if (PyErr_Occurred())
            return 0;
    }
    return 1;
}

/* Hands one event over; what the client says of it, or 0. An exception may be set, instead. */
static int produce_event(void *client, const char *topic, PyObject *event)
{
    const char *key, *value;
    Py_ssize_t key_size, value_size;
    PyObject *list;
    if (!PyTuple_Check(event)) {
        PyErr_SetString(PyExc_TypeError, "an event is a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(event, "z#z#O!", &key, &key_size, &value, &value_size, &PyList_Type, &list))
        return 0;
    void *headers = librdkafka.headers_new((size_t)PyList_Size(list));
    if (!add_headers(headers, list)) {
        librdkafka.headers_destroy(headers);
        return 0;
    }
    int refused = librdkafka.producev(client, V_TOPIC, topic, V_FLAGS, FLAG_COPY, V_VALUE, value, (size_t)value_size,
                                      V_KEY, key, (size_t)key_size, V_HEADERS, headers, V_END);
    if (refused != 0)
        librdkafka.headers_destroy(headers);
    return refused;
}

static PyObject *produce(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *capsule, *events;
    const char *topic;
    if (!PyArg_ParseTuple(arguments, "OsO!", &capsule, &topic, &PyList_Type, &events))
        return NULL;
    const Tap *tap = PyCapsule_GetPointer(capsule, TAP);
    if (tap == NULL)
        return NULL;
    void *client = atomic_load(&tap->client);
    if (client == NULL) {
        PyErr_SetString(PyExc_ValueError, "the client is closed");
        return NULL;
    }
    Py_ssize_t at = 0;
    int refused = 0;
    for (; at < PyList_Size(events); at++) {
        refused = produce_event(client, topic, PyList_GetItem(events, at));
        if (PyErr_Occurred())
            return NULL;
        if (refused != 0)
            break;
    }
    return Py_BuildValue("(ni)", at, refused);
}

static PyObject *take_failure(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    Tap *tap = PyCapsule_GetPointer(capsule, TAP);
    if (tap == NULL)
        return NULL;
    const Failure failure = tap_take_failure(tap);
    if (failure.why == 0)
        return Py_NewRef(Py_None);
    PyObject *topic = PyUnicode_DecodeUTF8(failure.topic, (Py_ssize_t)strlen(failure.topic), "replace");
    return topic == NULL ? NULL : Py_BuildValue("(iN)", failure.why, topic);
}

#endif
