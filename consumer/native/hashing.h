/* BLAKE2b (RFC 7693) of a few bytes, without a key: what hashlib's says, which is the reference (tests/native), without
   an object for each. */
#ifndef MILESTONES_HASHING_H
#define MILESTONES_HASHING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 128, WORDS = 8, ROUNDS = 12, LONGEST_HASH = 64 };

static const uint64_t FIRST_STATE[WORDS] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* In which order a round takes a block's words; the last two rounds take the first two orders. */
static const uint8_t ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t turned(uint64_t word, int bits)
{
    return word >> bits | word << (64 - bits);
}

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t word = 0;
    for (int byte = 7; byte >= 0; byte--)
        word = word << 8 | at[byte];
    return word;
}

static inline void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y)
{
    v[a] += v[b] + x;
    v[d] = turned(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = turned(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = turned(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = turned(v[b] ^ v[c], 63);
}

/* One block more; `count`: how many bytes there were with it. */
static void take_block(uint64_t *state, const uint8_t *block, uint64_t count, int is_last)
{
    uint64_t v[2 * WORDS], m[16];
    for (int at = 0; at < WORDS; at++) {
        v[at] = state[at];
        v[at + WORDS] = FIRST_STATE[at];
    }
    v[12] ^= count;
    if (is_last)
        v[14] = ~v[14];
    for (int at = 0; at < 16; at++)
        m[at] = word_at(block + 8 * at);
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *order = ORDER[round % 10];
        for (int at = 0; at < 4; at++)
            mix(v, at, at + 4, at + 8, at + 12, m[order[2 * at]], m[order[2 * at + 1]]);
        for (int at = 0; at < 4; at++)
            mix(v, at, (at + 1) % 4 + 4, (at + 2) % 4 + 8, (at + 3) % 4 + 12, m[order[2 * at + 8]], m[order[2 * at + 9]]);
    }
    for (int at = 0; at < WORDS; at++)
        state[at] ^= v[at] ^ v[at + WORDS];
}

/* The hash of some bytes, in `size` bytes, 1 to LONGEST_HASH. */
static void blake2b(const uint8_t *bytes, size_t length, uint8_t *hash, size_t size)
{
    uint64_t state[WORDS], taken = 0;
    memcpy(state, FIRST_STATE, sizeof state);
    state[0] ^= 0x01010000 ^ size;
    for (; length - taken > BLOCK; taken += BLOCK)
        take_block(state, bytes + taken, taken + BLOCK, 0);
    uint8_t last[BLOCK] = {0};
    if (length > taken)
        memcpy(last, bytes + taken, length - taken);
    take_block(state, last, length, 1);
    for (size_t at = 0; at < size; at++)
        hash[at] = (uint8_t)(state[at / 8] >> 8 * (at % 8));
}

#endif
