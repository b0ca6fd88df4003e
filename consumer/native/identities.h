/* What the source calls a usual change, and when it happened, as consumer/formats/source_block.py says them, which is the
   reference (tests/native). */
#ifndef MILESTONES_IDENTITIES_H
#define MILESTONES_IDENTITIES_H

#include "facts.h"
#include "hashing.h"

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

/* The log that the last change stands in, and its token: thousands in a row have it. One thread
   at a time: in Python, whoever has its lock. */
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

/* When it happened, in µs: more exactly than in ms if both are of the same time. */
static long long reached_at(const Span *source, long long ms)
{
    const Span exactly = source[IN_TS_US - IN_TS_MS];
    const long long us = is_null(exactly) ? 0 : number_of(exactly);
    return !is_null(exactly) && us / 1000 == ms ? us : 1000 * ms;
}

#endif
