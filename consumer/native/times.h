/* Times as texts, as Python's objects: _envelopes.pyi says what this function promises. */
#ifndef MILESTONES_TIMES_H
#define MILESTONES_TIMES_H

#include <stdint.h>

enum { DAYS_OF_400_YEARS = 146097, DAYS_BEFORE_1970 = 719468 };

static const int64_t A_SECOND = 1000000, A_DAY = 86400, YEAR_1 = -62135596800000000, YEAR_10000 = 253402300800000000;

/* A number of so many digits; behind it. */
static char *put_digits(char *to, int64_t number, int digits)
{
    for (int at = digits - 1; at >= 0; at--, number /= 10)
        to[at] = (char)('0' + number % 10);
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

static PyObject *iso_time(PyObject *Py_UNUSED(module), PyObject *micros)
{
    const int64_t time = PyLong_AsLongLong(micros);
    if (time == -1 && PyErr_Occurred())
        return NULL;
    if (time < YEAR_1 || time >= YEAR_10000)
        return PyErr_Format(PyExc_OverflowError, "a time before the year 1 or after 9999");
    const int64_t fraction = ((time % A_SECOND) + A_SECOND) % A_SECOND, seconds = (time - fraction) / A_SECOND;
    const int64_t of_day = ((seconds % A_DAY) + A_DAY) % A_DAY;
    char text[32], *to = put_date(text, (seconds - of_day) / A_DAY);
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
    return PyUnicode_DecodeASCII(text, to - text, NULL);
}

#endif
