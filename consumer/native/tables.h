/* Python's tables as a plan: _envelopes.pyi says of what form they are. */
#ifndef MILESTONES_TABLES_H
#define MILESTONES_TABLES_H

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

/* Some more columns of a table: those of a tuple. Adds up the bytes of its names where `names` is NULL. */
static int take_columns(PyObject *columns, Table *table, uint8_t *names, size_t *used)
{
    for (Py_ssize_t at = 0; at < PyTuple_Size(columns); at++) {
        Span name;
        if (!bytes_of(PyTuple_GetItem(columns, at), &name))
            return 0;
        if (names != NULL && table->columns < MOST_COLUMNS) {
            memcpy(names + *used, name.at, name.length);
            table->column[table->columns++] = (Span){names + *used, name.length};
            table->lengths |= (uint64_t)1 << (name.length & 63);
        }
        *used += name.length;
    }
    return 1;
}

/* One table: (name, its tracked columns, and what else is told of a change or None). As `take_columns`. */
static int take_table(PyObject *said, Table *table, uint8_t *names, size_t *used)
{
    PyObject *name, *tracked, *beside;
    if (!PyTuple_Check(said)) {
        PyErr_SetString(PyExc_TypeError, "a table is a tuple");
        return 0;
    }
    if (!PyArg_ParseTuple(said, "SO!O", &name, &PyTuple_Type, &tracked, &beside))
        return 0;
    if (PyTuple_Size(tracked) == 0 || (beside != Py_None && !PyTuple_Check(beside))) {
        PyErr_SetString(PyExc_TypeError, "a table has one tracked column or more, and beside them a tuple or None");
        return 0;
    }
    Py_ssize_t count = PyTuple_Size(tracked), more = beside == Py_None ? 0 : PyTuple_Size(beside);
    table->tracked = count > MOST_COLUMNS ? MOST_COLUMNS + 1 : (int32_t)count;
    table->is_told = beside != Py_None && count + more <= MOST_COLUMNS;
    if (!bytes_of(name, &table->name))
        return 0;
    if (names != NULL)
        table->name.at = memcpy(names + *used, table->name.at, table->name.length);
    *used += table->name.length;
    return take_columns(tracked, table, names, used) && (!table->is_told || take_columns(beside, table, names, used));
}

static int take_tables(PyObject *tables, Py_ssize_t count, Plan *plan)
{
    size_t bytes = 0, used = 0;
    for (Py_ssize_t at = 0; at < count; at++)
        if (!take_table(PyTuple_GetItem(tables, at), &plan->table[at], NULL, &bytes))
            return 0;
    if ((plan->names = malloc(bytes + 1)) == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        Table *table = &plan->table[at];
        table->number = (int32_t)at;
        if (!take_table(PyTuple_GetItem(tables, at), table, plan->names, &used))
            return 0;
        plan->slot[slot_of(plan, table->name, hash_of(table->name))] = (int32_t)at;
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

#endif
