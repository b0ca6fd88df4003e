/* Python's side of envelopes.h: consumer/native/_envelopes.pyi says what these functions promise. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdlib.h>

#include "envelopes.h"

static const char PLAN[] = "milestones.plan";

static void free_plan(Plan *plan)
{
    if (plan == NULL)
        return;
    free(plan->table);
    free(plan->slot);
    free(plan->names);
    free(plan);
}

static void forget_plan(PyObject *capsule)
{
    free_plan(PyCapsule_GetPointer(capsule, PLAN));
}

/* The bytes of an object; 0 with an exception set where it has none. */
static int bytes_of(PyObject *object, Span *bytes)
{
    char *at;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(object, &at, &length) < 0)
        return 0;
    *bytes = (Span){(Text)at, (size_t)length};
    return 1;
}

/* The next table and its columns: one of the tuple's tuples. Adds up the bytes of its names where `names` is NULL. */
static int take_table(PyObject *columns, int32_t number, Table *table, uint8_t *names, size_t *used)
{
    if (!PyTuple_Check(columns) || PyTuple_Size(columns) < 2) {
        PyErr_SetString(PyExc_TypeError, "a table is a tuple of its name and one column or more");
        return 0;
    }
    Py_ssize_t count = PyTuple_Size(columns);
    table->number = number;
    table->columns = count - 1 > MOST_COLUMNS ? MOST_COLUMNS + 1 : (int32_t)(count - 1);
    for (Py_ssize_t at = 0; at < count && at <= MOST_COLUMNS; at++) {
        Span name;
        if (!bytes_of(PyTuple_GetItem(columns, at), &name))
            return 0;
        if (names != NULL) {
            memcpy(names + *used, name.at, name.length);
            Span *to = at == 0 ? &table->name : &table->column[at - 1];
            *to = (Span){names + *used, name.length};
            if (at > 0)
                table->lengths |= (uint64_t)1 << (name.length & 63);
        }
        *used += name.length;
    }
    return 1;
}

static int take_tables(PyObject *tables, Py_ssize_t count, Plan *plan)
{
    size_t bytes = 0, used = 0;
    for (Py_ssize_t at = 0; at < count; at++)
        if (!take_table(PyTuple_GetItem(tables, at), (int32_t)at, &plan->table[at], NULL, &bytes))
            return 0;
    if ((plan->names = malloc(bytes + 1)) == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        Table *table = &plan->table[at];
        if (!take_table(PyTuple_GetItem(tables, at), (int32_t)at, table, plan->names, &used))
            return 0;
        plan->slot[slot_of(plan, table->name)] = (int32_t)at;
    }
    return 1;
}

static PyObject *make_plan(PyObject *Py_UNUSED(module), PyObject *tables)
{
    if (!PyTuple_Check(tables)) {
        PyErr_SetString(PyExc_TypeError, "tables are a tuple");
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(tables);
    Plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return PyErr_NoMemory();
    for (plan->slots = 4; plan->slots < 2 * (size_t)count; plan->slots *= 2)
        ;
    plan->table = calloc((size_t)count + 1, sizeof *plan->table);
    plan->slot = malloc(plan->slots * sizeof *plan->slot);
    if (plan->table == NULL || plan->slot == NULL) {
        free_plan(plan);
        return PyErr_NoMemory();
    }
    memset(plan->slot, 0xFF, plan->slots * sizeof *plan->slot);
    PyObject *capsule = take_tables(tables, count, plan) ? PyCapsule_New(plan, PLAN, forget_plan) : NULL;
    if (capsule == NULL)
        free_plan(plan);
    return capsule;
}

/* The texts of a tuple of bytes and None; 0 with an exception set for anything else. */
static int take_texts(PyObject *values, Py_ssize_t count, Span *texts)
{
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *value = PyTuple_GetItem(values, at);
        if (value == Py_None)
            texts[at] = (Span){(Text) "", 0};
        else if (!bytes_of(value, &texts[at]))
            return 0;
    }
    return 1;
}

/* The places and tables of all that is neither untracked nor unchanged. */
static PyObject *others_of(const int32_t *says, Py_ssize_t count)
{
    PyObject *others = PyList_New(0);
    for (Py_ssize_t at = 0; others != NULL && at < count; at++) {
        if (says[at] == UNTRACKED || says[at] == UNCHANGED)
            continue;
        PyObject *pair = Py_BuildValue("(ni)", at, (int)says[at]);
        if (pair == NULL || PyList_Append(others, pair) < 0)
            Py_CLEAR(others);
        Py_XDECREF(pair);
    }
    return others;
}

static PyObject *look_at(PyObject *values, const Plan *plan)
{
    Py_ssize_t count = PyTuple_Size(values), untracked = 0, unchanged = 0;
    Span *texts = calloc((size_t)count + 1, sizeof *texts);
    int32_t *says = calloc((size_t)count + 1, sizeof *says);
    PyObject *others = NULL;
    if (texts == NULL || says == NULL) {
        PyErr_NoMemory();
    } else if (take_texts(values, count, texts)) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t at = 0; at < count; at++) {
            says[at] = envelope_says(texts[at].at, texts[at].length, plan);
            untracked += says[at] == UNTRACKED;
            unchanged += says[at] == UNCHANGED;
        }
        Py_END_ALLOW_THREADS
        others = others_of(says, count);
    }
    free(texts);
    free(says);
    return others == NULL ? NULL : Py_BuildValue("(nnN)", untracked, unchanged, others);
}

static PyObject *look(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *capsule, *list;
    if (!PyArg_ParseTuple(arguments, "OO!", &capsule, &PyList_Type, &list))
        return NULL;
    const Plan *plan = PyCapsule_GetPointer(capsule, PLAN);
    /* A tuple keeps its bytes, whatever other threads do to the list meanwhile. */
    PyObject *values = plan == NULL ? NULL : PyList_AsTuple(list);
    if (values == NULL)
        return NULL;
    PyObject *seen = look_at(values, plan);
    Py_DECREF(values);
    return seen;
}

static PyMethodDef methods[] = {
    {"make_plan", make_plan, METH_O, NULL},
    {"look", look, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_envelopes",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__envelopes(void)
{
    return PyModuleDef_Init(&definition);
}
