/* Times as texts, as Python's objects: _envelopes.pyi says what this function promises. */
#ifndef MILESTONES_TIMES_H
#define MILESTONES_TIMES_H

#include <stdint.h>

enum { DAYS_OF_400_YEARS = 146097, DAYS_BEFORE_1970 = 719468 };

static const int64_t A_SECOND = 1000000, A_DAY = 86400, YEAR_1 = -62135596800000000, YEAR_10000 = 253402300800000000;

/* A number of so many digits, 1 to 6; behind it. */
static char *put_digits(char *to, int64_t number, int digits)
{
    uint32_t left = (uint32_t)number;
    for (int at = digits - 1; at >= 0; at--, left /= 10)
        to[at] = (char)('0' + left % 10);
    return to + digits;
}

/* The date of a day since 1970; behind it. Years begin in March here, so that a leap day is the last of its year. */
static char *put_date(char *to, int64_t day)
{
    day += DAYS_BEFORE_1970;
    const int64_t cycle = day / DAYS_OF_400_YEARS, of_cycle = day % DAYS_OF_400_YEARS;
    const int64_t year = (of_cycle - of_cycle / 1460 + of_cycle / 36524 - of_cycle / 146096) / 365;
    const int64_t of_year = of_cycle - (365 * year + year / 4 - year / 100);
    const int64_t month = (5 * of_year + 2) / 153; /* 0 is March. */
    to = put_digits(to, cycle * 400 + year + (month >= 10), 4);
    *to++ = '-';
    to = put_digits(to, month < 10 ? month + 3 : month - 9, 2);
    *to++ = '-';
    return put_digits(to, of_year - (153 * month + 2) / 5 + 1, 2);
}

/* Behind the time; it has to be one that can be printed, which takes 27 bytes at most. */
static char *put_time(char *to, int64_t micros)
{
    const int64_t fraction = ((micros % A_SECOND) + A_SECOND) % A_SECOND, seconds = (micros - fraction) / A_SECOND;
    const int64_t of_day = ((seconds % A_DAY) + A_DAY) % A_DAY;
    to = put_date(to, (seconds - of_day) / A_DAY);
    *to++ = 'T';
    to = put_digits(to, of_day / 3600, 2);
    *to++ = ':';
    to = put_digits(to, of_day / 60 % 60, 2);
    *to++ = ':';
    to = put_digits(to, of_day % 60, 2);
    if (fraction != 0) {
        *to++ = '.';
        to = put_digits(to, fraction, 6);
    }
    *to++ = 'Z';
    return to;
}

/* 0 with an exception set for one that has another number of digits. */
static int is_printable_time(int64_t micros)
{
    if (micros >= YEAR_1 && micros < YEAR_10000)
        return 1;
    PyErr_SetString(PyExc_OverflowError, "a time before the year 1 or after 9999");
    return 0;
}

static PyObject *iso_time(PyObject *Py_UNUSED(module), PyObject *micros)
{
    const int64_t time = PyLong_AsLongLong(micros);
    if ((time == -1 && PyErr_Occurred()) || !is_printable_time(time))
        return NULL;
    char text[32];
    return PyUnicode_DecodeASCII(text, put_time(text, time) - text, NULL);
}

#endif
