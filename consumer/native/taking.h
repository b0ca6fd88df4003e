/* Python's side of tap.h and intake.h: _envelopes.pyi says what these functions promise. */
#ifndef MILESTONES_TAKING_H
#define MILESTONES_TAKING_H

#include "record.h"
#include "tap.h"

enum { MOST_AT_ONCE = 1 << 24 };

static const char PROGRAMS[] = "milestones.programs", TAP[] = "milestones.tap";

static PyObject *find_client(PyObject *Py_UNUSED(module), PyObject *file)
{
    const char *name = PyUnicode_AsUTF8AndSize(file, NULL);
    return name == NULL ? NULL : PyBool_FromLong(find_librdkafka(name) && takes_plugins());
}

/* A tap keeps its client, so that it is closed before that one is destroyed. */
static void let_client_go(PyObject *capsule)
{
    PyObject *client = PyCapsule_GetContext(capsule);
    if (client != NULL)
        PyCapsule_SetContext(capsule, NULL);
    Py_XDECREF(client);
}

static void forget_tap(PyObject *capsule)
{
    tap_close(PyCapsule_GetPointer(capsule, TAP));
    let_client_go(capsule);
}

static PyObject *open_tap(PyObject *Py_UNUSED(module), PyObject *client)
{
    Tap *tap = open_made();
    if (tap == NULL)
        return Py_NewRef(Py_None);
    PyObject *capsule = PyCapsule_New(tap, TAP, forget_tap);
    if (capsule == NULL)
        tap_close(tap);
    else
        PyCapsule_SetContext(capsule, Py_NewRef(client));
    return capsule;
}

static PyObject *close_tap(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    Tap *tap = PyCapsule_GetPointer(capsule, TAP);
    if (tap == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    tap_close(tap);
    Py_END_ALLOW_THREADS
    let_client_go(capsule);
    return Py_NewRef(Py_None);
}

static PyObject *forward(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *capsule;
    const char *topic;
    int partition, is_forwarded;
    if (!PyArg_ParseTuple(arguments, "Osi", &capsule, &topic, &partition))
        return NULL;
    Tap *tap = PyCapsule_GetPointer(capsule, TAP);
    if (tap == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    is_forwarded = tap_forward(tap, topic, partition);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(is_forwarded);
}

static int append(PyObject *list, PyObject *item)
{
    int is_added = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return is_added;
}

/* [(code, text)] of what is no message. */
static PyObject *take_errors(PyObject *Py_UNUSED(module), PyObject *capsule)
{
    Error error[ERRORS];
    Tap *tap = PyCapsule_GetPointer(capsule, TAP);
    if (tap == NULL)
        return NULL;
    const int errors = tap_take_errors(tap, error);
    PyObject *told = PyList_New(0);
    for (int at = 0; told != NULL && at < errors; at++) {
        PyObject *text = PyUnicode_DecodeUTF8(error[at].text, (Py_ssize_t)strlen(error[at].text), "replace");
        if (text == NULL || !append(told, Py_BuildValue("(iN)", error[at].code, text)))
            Py_CLEAR(told);
    }
    return told;
}

/* (topic, partition, floor) of each partition that is read; 0 with an exception set for anything else. */
static int take_places(PyObject *places, Intake *intake)
{
    for (Py_ssize_t at = 0; at < intake->places; at++) {
        long long floor;
        Place *place = &intake->place[at];
        if (!PyArg_ParseTuple(PyTuple_GetItem(places, at), "siL", &place->topic, &place->partition, &floor))
            return 0;
        place->floor = floor;
        place->last = -1;
    }
    return 1;
}

/* (topic or None, partition, offset, code, what it says) of a message that is an error. */
static PyObject *trouble_of(const Message *message)
{
    return Py_BuildValue("(ziLiz)", message->topic == NULL ? NULL : librdkafka.topic_name(message->topic),
                         (int)message->partition, (long long)message->offset, message->err,
                         librdkafka.message_errstr(message));
}

/* Adds a record to a list and, with the number of its partition, to that of the last ones; either may be NULL. */
static int tell(const Taken *taken, PyObject *places, const Facts *facts, const Plan *plan, PyObject *records,
                PyObject *lasts)
{
    PyObject *topic = PyTuple_GetItem(PyTuple_GetItem(places, taken->place), 0);
    PyObject *record = record_of(taken, topic, facts, plan);
    int is_told = record != NULL && (records == NULL || PyList_Append(records, record) == 0) &&
                  (lasts == NULL || append(lasts, Py_BuildValue("(iO)", (int)taken->place, record)));
    Py_XDECREF(record);
    return is_told;
}

/* What is to be known of each message, sorted into lists: records, the last one of each partition, and errors. */
static int tell_messages(const Intake *intake, PyObject *places, const Facts *facts, const Plan *plan,
                         PyObject *records, PyObject *lasts, PyObject *troubles)
{
    for (ptrdiff_t at = 0; at < intake->told; at++) {
        const Taken *taken = &intake->taken[at];
        if (taken->what == TROUBLE) {
            if (!append(troubles, trouble_of(taken->message)))
                return 0;
            continue;
        }
        const int is_last = intake->place[taken->place].last == at;
        if (!tell(taken, places, facts, plan, records, is_last ? lasts : NULL))
            return 0;
    }
    for (ptrdiff_t at = 0; at < intake->places; at++) {
        Taken *left = &intake->place[at].left;
        if (left->message == NULL)
            continue;
        describe(left);
        if (!tell(left, places, facts, plan, NULL, lasts))
            return 0;
    }
    return 1;
}

/* (records consumed, bytes of their values, records, lasts, passed over, errors). */
static PyObject *told_messages(const Intake *intake, PyObject *places, const Facts *facts, const Plan *plan)
{
    PyObject *records = PyList_New(0), *lasts = PyList_New(0), *troubles = PyList_New(0), *passed = PyList_New(0);
    int is_told = records != NULL && lasts != NULL && troubles != NULL && passed != NULL &&
                  tell_messages(intake, places, facts, plan, records, lasts, troubles);
    for (Py_ssize_t at = 0; is_told && at < intake->places; at++) {
        Passed some = intake->place[at].passed;
        if (some.untracked > 0 || some.unchanged > 0)
            is_told = append(passed, Py_BuildValue("(nii)", at, (int)some.untracked, (int)some.unchanged));
    }
    long long size = intake->bytes;
    PyObject *told = NULL;
    if (is_told)
        told = Py_BuildValue("(nLOOOO)", intake->records, size, records, lasts, passed, troubles);
    Py_XDECREF(records);
    Py_XDECREF(lasts);
    Py_XDECREF(troubles);
    Py_XDECREF(passed);
    return told;
}

static PyObject *take_in(void *queue, Intake *intake, PyObject *places, const Plan *plan, const Programs *programs,
                         Py_ssize_t most, int64_t most_bytes, int timeout_ms)
{
    PyObject *told = NULL;
    Desk *desk = calloc(1, sizeof *desk);
    Facts facts = {NULL, 0, 0};
    intake->place = calloc((size_t)intake->places + 1, sizeof *intake->place);
    intake->taken = malloc((size_t)most * sizeof *intake->taken);
    intake->message = malloc(AT_A_TIME * sizeof *intake->message);
    if (desk == NULL || intake->place == NULL || intake->taken == NULL || intake->message == NULL) {
        PyErr_NoMemory();
    } else if (take_places(places, intake)) {
        Py_BEGIN_ALLOW_THREADS
        take_messages(intake, queue, most, most_bytes, timeout_ms, plan, programs, desk, &facts);
        Py_END_ALLOW_THREADS
        if (intake->failed)
            PyErr_SetString(PyExc_RuntimeError, "Kafka's client cannot read its queue");
        else
            told = told_messages(intake, places, &facts, plan);
        Py_BEGIN_ALLOW_THREADS
        let_all_go(intake);
        Py_END_ALLOW_THREADS
    }
    if (desk != NULL)
        free(desk->at);
    free(desk);
    free(facts.span);
    free(intake->place);
    free(intake->taken);
    free(intake->message);
    return told;
}

static PyObject *take(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *capsule, *made_plan, *made_programs, *places;
    Py_ssize_t most;
    long long most_bytes;
    int timeout_ms;
    if (!PyArg_ParseTuple(arguments, "OOOO!nLi", &capsule, &made_plan, &made_programs, &PyTuple_Type, &places, &most,
                          &most_bytes, &timeout_ms))
        return NULL;
    const Tap *tap = PyCapsule_GetPointer(capsule, TAP);
    const Plan *plan = tap == NULL || made_plan == Py_None ? NULL : PyCapsule_GetPointer(made_plan, PLAN);
    const Programs *programs = plan == NULL ? NULL : PyCapsule_GetPointer(made_programs, PROGRAMS);
    if (PyErr_Occurred())
        return NULL;
    if (tap->queue == NULL || atomic_load(&tap->client) == NULL || most < 1 || most > MOST_AT_ONCE) {
        PyErr_SetString(PyExc_ValueError, "the tap is closed, or so many records cannot be taken at once");
        return NULL;
    }
    Intake intake = {.places = PyTuple_Size(places)};
    return take_in(tap->queue, &intake, places, plan, programs, most, most_bytes, timeout_ms);
}

#endif
