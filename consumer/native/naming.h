/* Hashes that are kept, as Python's objects: _envelopes.pyi says what these functions promise. */
#ifndef MILESTONES_NAMING_H
#define MILESTONES_NAMING_H

#include "hashing.h"

static PyObject *token(PyObject *Py_UNUSED(module), PyObject *text)
{
    uint8_t hash[8];
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    if (bytes == NULL)
        return NULL;
    blake2b((const uint8_t *)bytes, (size_t)length, hash, sizeof hash);
    return PyBytes_FromStringAndSize((const char *)hash, sizeof hash);
}

static PyObject *uuid_of(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    char *bytes;
    Py_ssize_t length;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "some bytes, and milliseconds");
    if (PyBytes_AsStringAndSize(arguments[0], &bytes, &length) < 0)
        return NULL;
    const uint64_t ms = PyLong_AsUnsignedLongLongMask(arguments[1]);
    if (PyErr_Occurred())
        return NULL;
    uint8_t part[16], hash[10];
    blake2b((const uint8_t *)bytes, (size_t)length, hash, sizeof hash);
    for (int at = 0; at < 6; at++)
        part[at] = (uint8_t)(ms >> 8 * (5 - at));
    /* The hash's digits stand one behind the other, around the version's: it is 8, and the next one's first bits are 10. */
    part[6] = (uint8_t)(0x80 | hash[0] >> 4);
    part[7] = (uint8_t)(hash[0] << 4 | hash[1] >> 4);
    part[8] = (uint8_t)(0x80 | (hash[1] & 3) << 4 | hash[2] >> 4);
    for (int at = 9; at < 16; at++)
        part[at] = (uint8_t)(hash[at - 7] << 4 | hash[at - 6] >> 4);
    static const char digits[] = "0123456789abcdef";
    char text[36], *to = text;
    for (int at = 0; at < 16; at++) {
        if (at == 4 || at == 6 || at == 8 || at == 10)
            *to++ = '-';
        *to++ = digits[part[at] >> 4];
        *to++ = digits[part[at] & 15];
    }
    return PyUnicode_DecodeASCII(text, sizeof text, NULL);
}

#endif
