/* Python's side of envelopes.h: consumer/native/_envelopes.pyi says what these functions promise. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdlib.h>

#include "tables.h"
#include "told.h"
#include "producing.h"
#include "announcing.h"

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

typedef struct {
    int32_t what;
    size_t kept; /* The place of its facts, or NOT_KEPT. */
} Said;

/* (place, table, what is told or None) of a record. */
static PyObject *other_of(Py_ssize_t at, Said said, const Facts *facts, const Plan *plan)
{
    PyObject *told = said.kept == NOT_KEPT ? Py_NewRef(Py_None)
                                           : told_of(facts->span + said.kept, &plan->table[said.what]);
    return told == NULL ? NULL : Py_BuildValue("(niN)", at, (int)said.what, told);
}

/* All that is neither untracked nor unchanged. */
static PyObject *others_of(const Said *said, Py_ssize_t count, const Facts *facts, const Plan *plan)
{
    PyObject *others = PyList_New(0);
    for (Py_ssize_t at = 0; others != NULL && at < count; at++) {
        if (said[at].what == UNTRACKED || said[at].what == UNCHANGED)
            continue;
        PyObject *other = other_of(at, said[at], facts, plan);
        if (other == NULL || PyList_Append(others, other) < 0)
            Py_CLEAR(others);
        Py_XDECREF(other);
    }
    return others;
}

static void free_programs(Programs *programs)
{
    if (programs == NULL)
        return;
    for (size_t at = 0; programs->program != NULL && at < programs->count; at++) {
        free((void *)programs->program[at].type);
        free((void *)programs->program[at].part);
        free((void *)programs->program[at].role);
        free((void *)programs->program[at].column);
        free((void *)programs->program[at].table.at);
    }
    free(programs->program);
    free(programs);
}

static void forget_programs(PyObject *capsule)
{
    free_programs(PyCapsule_GetPointer(capsule, PROGRAMS));
}

/* A copy of some bytes that is not empty; NULL with an exception set. */
static void *copy_of(const char *bytes, Py_ssize_t length)
{
    void *copy = malloc((size_t)length + 1);
    if (copy == NULL)
        PyErr_NoMemory();
    else
        memcpy(copy, bytes, (size_t)length);
    return copy;
}

/* One program: (id, table, types, parts, roles, columns, number of columns, row, source, field of the table); types,
   parts, roles and columns are bytes of 32-bit integers, three of them for a type. */
static int take_program(PyObject *said, Program *program)
{
    const char *table, *types, *parts, *roles, *columns;
    Py_ssize_t table_size, types_size, parts_size, roles_size, columns_size;
    if (!PyArg_ParseTuple(said, "Iy#y#y#y#y#iiii", &program->id, &table, &table_size, &types, &types_size, &parts,
                          &parts_size, &roles, &roles_size, &columns, &columns_size, &program->columns, &program->row,
                          &program->source, &program->table_field))
        return 0;
    const Py_ssize_t most = 1 << 24, number = sizeof(int32_t), type = sizeof(AvroType);
    if (types_size > most || parts_size > most || roles_size > most || columns_size > most || types_size % type != 0) {
        PyErr_SetString(PyExc_ValueError, "a program is too large, or ends within a type");
        return 0;
    }
    program->types = (int32_t)(types_size / type);
    program->parts = (int32_t)(parts_size / number);
    program->roles = (int32_t)(roles_size / number);
    program->fields = (int32_t)(columns_size / number);
    program->table.length = (size_t)table_size;
    if ((program->type = copy_of(types, types_size)) == NULL || (program->part = copy_of(parts, parts_size)) == NULL)
        return 0;
    if ((program->role = copy_of(roles, roles_size)) == NULL || (program->column = copy_of(columns, columns_size)) == NULL)
        return 0;
    if ((program->table.at = copy_of(table, table_size)) == NULL)
        return 0;
    if (!is_sound(program))
        PyErr_SetString(PyExc_ValueError, "a program refers to what it does not have");
    return !PyErr_Occurred();
}

static PyObject *make_programs(PyObject *Py_UNUSED(module), PyObject *said)
{
    if (!PyTuple_Check(said)) {
        PyErr_SetString(PyExc_TypeError, "programs are a tuple");
        return NULL;
    }
    Programs *programs = calloc(1, sizeof *programs);
    if (programs == NULL)
        return PyErr_NoMemory();
    programs->count = (size_t)PyTuple_Size(said);
    programs->program = calloc(programs->count + 1, sizeof *programs->program);
    if (programs->program == NULL)
        PyErr_NoMemory();
    for (size_t at = 0; !PyErr_Occurred() && at < programs->count; at++) {
        Program *program = &programs->program[at];
        PyObject *one = PyTuple_GetItem(said, (Py_ssize_t)at);
        if (!PyTuple_Check(one))
            PyErr_SetString(PyExc_TypeError, "a program is a tuple");
        else if (take_program(one, program) && at > 0 && program->id <= program[-1].id)
            PyErr_SetString(PyExc_ValueError, "programs stand in order of their ids");
    }
    PyObject *capsule = PyErr_Occurred() ? NULL : PyCapsule_New(programs, PROGRAMS, forget_programs);
    if (capsule == NULL)
        free_programs(programs);
    return capsule;
}

static Said said_of(Span text, const Plan *plan, const Programs *programs, Memories *memories, Facts *facts)
{
    if (*text.at == 0)
        return (Said){wired_says(text.at, text.length, programs), NOT_KEPT};
    Envelope envelope;
    int32_t what = envelope_says(text.at, text.length, plan, memories, &envelope);
    return (Said){what, what < 0 ? NOT_KEPT : keep(facts, &envelope, &plan->table[what])};
}

static PyObject *look_at(PyObject *values, const Plan *plan, const Programs *programs)
{
    Py_ssize_t count = PyTuple_Size(values), untracked = 0, unchanged = 0;
    Span *texts = calloc((size_t)count + 1, sizeof *texts);
    Said *said = calloc((size_t)count + 1, sizeof *said);
    Memories *memories = calloc(1, sizeof *memories);
    Facts facts = {NULL, 0, 0};
    PyObject *others = NULL;
    if (texts == NULL || said == NULL || memories == NULL) {
        PyErr_NoMemory();
    } else if (take_texts(values, count, texts)) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t at = 0; at < count; at++) {
            said[at] = said_of(texts[at], plan, programs, memories, &facts);
            untracked += said[at].what == UNTRACKED;
            unchanged += said[at].what == UNCHANGED;
        }
        Py_END_ALLOW_THREADS
        others = others_of(said, count, &facts, plan);
    }
    free(texts);
    free(said);
    free(memories);
    free(facts.span);
    return others == NULL ? NULL : Py_BuildValue("(nnN)", untracked, unchanged, others);
}

static PyObject *look(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *made_plan, *made_programs, *list;
    if (!PyArg_ParseTuple(arguments, "OOO!", &made_plan, &made_programs, &PyList_Type, &list))
        return NULL;
    const Plan *plan = PyCapsule_GetPointer(made_plan, PLAN);
    const Programs *programs = plan == NULL ? NULL : PyCapsule_GetPointer(made_programs, PROGRAMS);
    /* A tuple keeps its bytes, whatever other threads do to the list meanwhile. */
    PyObject *values = programs == NULL ? NULL : PyList_AsTuple(list);
    if (values == NULL)
        return NULL;
    PyObject *seen = look_at(values, plan, programs);
    Py_DECREF(values);
    return seen;
}

static PyMethodDef methods[] = {
    {"make_plan", make_plan, METH_O, NULL},
    {"make_programs", make_programs, METH_O, NULL},
    {"look", look, METH_VARARGS, NULL},
    {"find_client", find_client, METH_O, NULL},
    {"open_tap", open_tap, METH_O, NULL},
    {"forward", forward, METH_VARARGS, NULL},
    {"take", take, METH_VARARGS, NULL},
    {"take_errors", take_errors, METH_O, NULL},
    {"produce", produce, METH_VARARGS, NULL},
    {"token", token, METH_O, NULL},
    {"uuid_of", (PyCFunction)(void (*)(void))uuid_of, METH_FASTCALL, NULL},
    {"iso_time", iso_time, METH_O, NULL},
    {"announcement", (PyCFunction)(void (*)(void))announcement, METH_FASTCALL, NULL},
    {"take_failure", take_failure, METH_O, NULL},
    {"close_tap", close_tap, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* As in __init__.py. */
static int begin(PyObject *module)
{
    record_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &record_spec, NULL);
    if (record_type == NULL || PyModule_AddType(module, record_type) < 0 ||
        !name_headers() || !name_kinds())
        return -1;
    const char *file = own_file();
    PyObject *name = file == NULL ? Py_NewRef(Py_None) : PyUnicode_DecodeFSDefault(file);
    int is_added = name != NULL && PyModule_AddObjectRef(module, "FILE", name) == 0;
    Py_XDECREF(name);
    return is_added ? PyModule_AddIntConstant(module, "INTERFACE", 10) : -1;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)begin},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_envelopes",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__envelopes(void)
{
    return PyModuleDef_Init(&definition);
}
