/* JSON (RFC 8259), checked more strictly than by any reader behind it: what is valid here is valid there.

   A text is bytes up to `end`, and `*end` is 0, as it is for every bytes object: 0 is no part of JSON, so that a loop
   that looks at one byte at a time ends there. Functions that read return what comes behind, and NULL for what is not
   valid, or not worth being sure of: numbers with exponents or of many digits, halves of surrogates, deep nesting. */
#ifndef MILESTONES_JSON_H
#define MILESTONES_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined __SSE2__
#include <emmintrin.h>
#endif

typedef const uint8_t *Text;

typedef struct {
    Text at;
    size_t length;
} Span;

enum { DEEPEST = 100, LONGEST_NUMBER = 40, AT_ONCE = 16 };

/* Sixteen bytes that are compared at once: a register of SSE or of NEON. */
typedef uint8_t Block __attribute__((vector_size(AT_ONCE)));

static inline Text json_value(Text p, Text end, int depth);

static inline int is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static inline int span_is(Span span, const char *text, size_t length)
{
    return span.length == length && memcmp(span.at, text, length) == 0;
}

static inline int spans_equal(Span one, Span other)
{
    return one.length == other.length && memcmp(one.at, other.at, one.length) == 0;
}

static inline Text behind_space(Text p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    return p;
}

/* Whether a comparison holds for any of its bytes. */
static inline int any_holds(Block holds)
{
#if defined __SSE2__
    return _mm_movemask_epi8((__m128i)holds) != 0;
#else
    uint64_t half[2];
    memcpy(half, &holds, AT_ONCE);
    return (half[0] | half[1]) != 0;
#endif
}

/* The place of the first byte for which it holds, where there is one. */
static inline int first_that_holds(Block holds)
{
#if defined __SSE2__
    return __builtin_ctz((unsigned)_mm_movemask_epi8((__m128i)holds));
#else
    int at = 0;
    while (!holds[at])
        at++;
    return at;
#endif
}

/* The first byte that a string cannot simply have: a quote, a backslash, a control character, one beyond ASCII. */
static inline Text behind_plain(Text p, Text end)
{
    for (; end - p >= AT_ONCE; p += AT_ONCE) {
        Block block;
        memcpy(&block, p, AT_ONCE);
        Block odd = (Block)((block == '"') | (block == '\\') | (block < 0x20) | (block >= 0x80));
        if (any_holds(odd))
            return p + first_that_holds(odd);
    }
    while (p < end && *p != '"' && *p != '\\' && *p >= 0x20 && *p < 0x80)
        p++;
    return p;
}

static inline Text behind_digits(Text p, Text end)
{
    for (; end - p >= AT_ONCE; p += AT_ONCE) {
        Block block;
        memcpy(&block, p, AT_ONCE);
        Block other = (Block)((uint8_t)'9' - '0' < block - '0');
        if (any_holds(other))
            return p + first_that_holds(other);
    }
    while (is_digit(*p))
        p++;
    return p;
}

/* Four hexadecimal digits as a number, -1 for anything else; stops at the end's 0. */
static inline int32_t hexadecimal(Text p)
{
    int32_t number = 0;
    for (int at = 0; at < 4; at++) {
        uint8_t digit = p[at], letter = digit | 0x20;
        if (is_digit(digit))
            number = number << 4 | (digit - '0');
        else if (letter >= 'a' && letter <= 'f')
            number = number << 4 | (letter - 'a' + 10);
        else
            return -1;
    }
    return number;
}

/* `p` is behind the backslash. */
static inline Text behind_escape(Text p)
{
    switch (*p) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return p + 1;
    case 'u':
        break;
    default:
        return NULL;
    }
    int32_t code = hexadecimal(p + 1);
    if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF))
        return NULL;
    if (code < 0xD800 || code > 0xDBFF)
        return p + 5;
    if (p[5] != '\\' || p[6] != 'u')
        return NULL;
    int32_t low = hexadecimal(p + 7);
    return low >= 0xDC00 && low <= 0xDFFF ? p + 11 : NULL;
}

static inline int continues(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

/* One character of UTF-8 beyond ASCII: neither overlong, nor a surrogate, nor above U+10FFFF (RFC 3629, 4). */
static inline Text behind_character(Text p)
{
    uint8_t first = *p;
    if (first < 0xC2 || first > 0xF4 || !continues(p[1]))
        return NULL;
    uint8_t second = p[1];
    if (first < 0xE0)
        return p + 2;
    if (!continues(p[2]) || (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F))
        return NULL;
    if (first < 0xF0)
        return p + 3;
    if (!continues(p[3]) || (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
        return NULL;
    return p + 4;
}

/* `p` is at the opening quote. `*plain` becomes 0 where what it says is not what it looks like. */
static inline Text json_string(Text p, Text end, int *plain)
{
    for (p++;;) {
        p = behind_plain(p, end);
        if (*p == '"')
            return p + 1;
        if (*p == '\\') {
            *plain = 0;
            p = behind_escape(p + 1);
        } else {
            p = behind_character(p);
        }
        if (p == NULL)
            return NULL;
    }
}

static inline Text json_number(Text p, Text end)
{
    Text start = p;
    if (*p == '-')
        p++;
    if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
        return NULL;
    p = behind_digits(p, end);
    if (*p == '.') {
        if (!is_digit(*++p))
            return NULL;
        p = behind_digits(p, end);
    }
    return *p == 'e' || *p == 'E' || p - start > LONGEST_NUMBER ? NULL : p;
}

/* At a member's name; behind its colon. Names that are written with escapes are not read. */
static inline Text json_name(Text p, Text end, Span *name)
{
    int plain = 1;
    if (*p != '"')
        return NULL;
    Text behind = json_string(p, end, &plain);
    if (behind == NULL || !plain)
        return NULL;
    *name = (Span){p + 1, (size_t)(behind - p) - 2};
    p = behind_space(behind);
    return *p == ':' ? behind_space(p + 1) : NULL;
}

/* Behind a value: at what comes next, or behind what closes the list, and then `*more` is 0. */
static inline Text json_next(Text p, uint8_t close, int *more)
{
    p = behind_space(p);
    if (*p == ',')
        return behind_space(p + 1);
    *more = 0;
    return *p == close ? p + 1 : NULL;
}

/* Behind what opens a list: at its first part, or behind the list, and then `*more` is 0. */
static inline Text json_first(Text p, uint8_t close, int *more)
{
    p = behind_space(p + 1);
    *more = *p != close;
    return *more ? p : p + 1;
}

static Text json_object(Text p, Text end, int depth)
{
    int more;
    p = json_first(p, '}', &more);
    while (more) {
        Span name;
        if ((p = json_name(p, end, &name)) == NULL || (p = json_value(p, end, depth)) == NULL)
            return NULL;
        if ((p = json_next(p, '}', &more)) == NULL)
            return NULL;
    }
    return p;
}

static Text json_array(Text p, Text end, int depth)
{
    int more;
    p = json_first(p, ']', &more);
    while (more) {
        if ((p = json_value(p, end, depth)) == NULL || (p = json_next(p, ']', &more)) == NULL)
            return NULL;
    }
    return p;
}

static inline Text json_word(Text p, Text end, const char *word, ptrdiff_t length)
{
    return end - p >= length && memcmp(p, word, (size_t)length) == 0 ? p + length : NULL;
}

static inline Text json_value(Text p, Text end, int depth)
{
    int plain;
    switch (*p) {
    case '"':
        return json_string(p, end, &plain);
    case '{':
        return depth < DEEPEST ? json_object(p, end, depth + 1) : NULL;
    case '[':
        return depth < DEEPEST ? json_array(p, end, depth + 1) : NULL;
    case 't':
        return json_word(p, end, "true", 4);
    case 'f':
        return json_word(p, end, "false", 5);
    case 'n':
        return json_word(p, end, "null", 4);
    default:
        return json_number(p, end);
    }
}

#endif
