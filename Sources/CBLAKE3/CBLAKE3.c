// BLAKE3 for whole messages in memory. A message is cut into leaves of 1,024 bytes, whose chaining values are the leaves of
// a binary tree; both leaves and parents are compressed many at a time, in the lanes of the widest vectors that the
// processor has. docs/decisions/0009 says why this is here.

#include "CBLAKE3.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are loaded as they lie in memory");

enum { LEAF = 1024, BLOCK = 64, CHAIN = 32, MOST_LANES = 16 };
enum { LEAF_START = 1, LEAF_END = 2, PARENT = 4, ROOT = 8, KEYED = 16 };
/// Leaves that are reduced level by level; above, the tree is walked.
enum { SUBTREE_LEAVES = 1024 };

/// Start of every chaining value of one message: the key, or the initial value, and the flag that says which.
typedef struct {
    uint32_t words[8];
    uint32_t flags;
} Mode;

static const uint32_t initial[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                    0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

// The message words of each round: the paper's permutation, applied again and again.
static const uint8_t schedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1}, {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4}, {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

#define LANES 4
#define TARGET
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#include "Lanes.inc"

#if defined(__x86_64__)
#define LANES 8
#define TARGET __attribute__((target("avx2")))
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#include "Lanes.inc"

#define LANES 16
#define TARGET __attribute__((target("avx512f")))
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#include "Lanes.inc"
#endif

unsigned rmcp_blake3_lanes(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return 16;
    if (__builtin_cpu_supports("avx2")) return 8;
#endif
    return 4;
}

// Compresses `count` inputs of `blocks` blocks each, `stride` bytes apart, whatever the number of lanes.
static void compress_many(const Mode *mode, const uint8_t *data, size_t stride, size_t count, size_t blocks, uint64_t counter,
                          unsigned counts, uint32_t flags, uint32_t first, uint32_t last, uint8_t *output, unsigned lanes) {
    flags |= mode->flags;
    while (count > 0) {
        const uint8_t *inputs[MOST_LANES];
        unsigned used = count < lanes ? (unsigned)count : lanes;
        // Lanes without an input repeat the last one; nobody looks at what they come to.
        for (unsigned i = 0; i < lanes; i++) inputs[i] = data + stride * (i < used ? i : used - 1);
#if defined(__x86_64__)
        if (lanes == 16) {
            compress_16(mode->words, inputs, used, blocks, counter, counts, flags, first, last, output);
        } else if (lanes == 8) {
            compress_8(mode->words, inputs, used, blocks, counter, counts, flags, first, last, output);
        } else
#endif
            compress_4(mode->words, inputs, used, blocks, counter, counts, flags, first, last, output);
        data += stride * used;
        output += (size_t)CHAIN * used;
        counter += used * counts;
        count -= used;
    }
}

static inline uint32_t rotate(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

static inline void mix(uint32_t v[16], unsigned a, unsigned b, unsigned c, unsigned d, uint32_t x, uint32_t y) {
    v[a] += v[b] + x;
    v[d] = rotate(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = rotate(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotate(v[b] ^ v[c], 7);
}

// One block of one input: for what is not a whole number of blocks, and for the root.
static void compress_one(uint32_t chain[8], const uint8_t block[BLOCK], uint64_t counter, uint32_t length, uint32_t flags) {
    uint32_t m[16], v[16];
    memcpy(m, block, sizeof m);
    memcpy(v, chain, 32);
    memcpy(v + 8, initial, 16);
    v[12] = (uint32_t)counter;
    v[13] = (uint32_t)(counter >> 32);
    v[14] = length;
    v[15] = flags;
    for (unsigned round = 0; round < 7; round++) {
        const uint8_t *s = schedule[round];
        for (unsigned i = 0; i < 4; i++) mix(v, i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
        for (unsigned i = 0; i < 4; i++)
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
    }
    for (unsigned i = 0; i < 8; i++) chain[i] = v[i] ^ v[i + 8];
}

// One leaf of 0 to 1,024 bytes; `root` is ROOT when it is the whole message.
static void hash_leaf(const Mode *mode, const uint8_t *data, size_t length, uint64_t counter, uint32_t root, uint8_t output[CHAIN]) {
    uint32_t chain[8];
    memcpy(chain, mode->words, sizeof chain);
    uint32_t flags = LEAF_START;
    while (length > BLOCK) {
        compress_one(chain, data, counter, BLOCK, mode->flags | flags);
        flags = 0;
        data += BLOCK;
        length -= BLOCK;
    }
    uint8_t block[BLOCK] = {0};
    if (length > 0) memcpy(block, data, length);
    compress_one(chain, block, counter, (uint32_t)length, mode->flags | flags | LEAF_END | root);
    memcpy(output, chain, CHAIN);
}

static void hash_parent(const Mode *mode, const uint8_t children[2 * CHAIN], uint32_t root, uint8_t output[CHAIN]) {
    uint32_t chain[8];
    memcpy(chain, mode->words, sizeof chain);
    compress_one(chain, children, 0, BLOCK, mode->flags | PARENT | root);
    memcpy(output, chain, CHAIN);
}

// Bytes of the left part of a tree of more than one leaf: the largest power of two of leaves that leaves something.
static size_t left_length(size_t length) {
    size_t leaves = (length - 1) / LEAF;
    return (size_t)LEAF << (8 * sizeof(unsigned long) - 1 - (unsigned)__builtin_clzl(leaves));
}

// The chaining value of a subtree of 1 to SUBTREE_LEAVES leaves. Pairing neighbours level by level, with an odd one
// moving up as it is, gives the same tree as splitting it from above.
static void hash_subtree(const Mode *mode, const uint8_t *data, size_t length, uint64_t counter, uint8_t output[CHAIN], unsigned lanes) {
    uint8_t chains[SUBTREE_LEAVES * CHAIN];
    size_t count = length / LEAF;
    compress_many(mode, data, LEAF, count, LEAF / BLOCK, counter, 1, 0, LEAF_START, LEAF_END, chains, lanes);
    if (count * LEAF < length || count == 0) {
        hash_leaf(mode, data + count * LEAF, length - count * LEAF, counter + count, 0, chains + count * CHAIN);
        count++;
    }
    while (count > 1) {
        // In place: what is written lies before what is still to be read.
        compress_many(mode, chains, 2 * CHAIN, count / 2, 1, 0, 0, PARENT, 0, 0, chains, lanes);
        if (count % 2 == 1) memmove(chains + count / 2 * CHAIN, chains + (count - 1) * CHAIN, CHAIN);
        count = (count + 1) / 2;
    }
    memcpy(output, chains, CHAIN);
}

static void hash_tree(const Mode *mode, const uint8_t *data, size_t length, uint64_t counter, uint8_t output[CHAIN], unsigned lanes) {
    if (length <= (size_t)SUBTREE_LEAVES * LEAF) return hash_subtree(mode, data, length, counter, output, lanes);
    uint8_t children[2 * CHAIN];
    size_t left = left_length(length);
    hash_tree(mode, data, left, counter, children, lanes);
    hash_tree(mode, data + left, length - left, counter + left / LEAF, children + CHAIN, lanes);
    hash_parent(mode, children, 0, output);
}

static void hash_message(const Mode *mode, const void *data, size_t length, uint8_t output[CHAIN], unsigned lanes) {
    if (length <= LEAF) return hash_leaf(mode, data, length, 0, ROOT, output);
    uint8_t children[2 * CHAIN];
    size_t left = left_length(length);
    hash_tree(mode, data, left, 0, children, lanes);
    hash_tree(mode, (const uint8_t *)data + left, length - left, left / LEAF, children + CHAIN, lanes);
    hash_parent(mode, children, ROOT, output);
}

static Mode plain_mode(void) {
    Mode mode = {.flags = 0};
    memcpy(mode.words, initial, sizeof mode.words);
    return mode;
}

static unsigned usable_lanes(unsigned lanes) {
    unsigned available = rmcp_blake3_lanes();
    return lanes > available || (lanes != 4 && lanes != 8 && lanes != 16) ? available : lanes;
}

void rmcp_blake3_with_lanes(const void *data, size_t length, uint8_t output[32], unsigned lanes) {
    Mode mode = plain_mode();
    hash_message(&mode, data, length, output, usable_lanes(lanes));
}

void rmcp_blake3(const void *data, size_t length, uint8_t output[32]) {
    rmcp_blake3_with_lanes(data, length, output, rmcp_blake3_lanes());
}

void rmcp_blake3_subtree(const void *data, size_t length, uint64_t leaf, uint8_t output[32]) {
    Mode mode = plain_mode();
    hash_tree(&mode, data, length, leaf, output, rmcp_blake3_lanes());
}

void rmcp_blake3_parent(const uint8_t children[64], _Bool is_root, uint8_t output[32]) {
    Mode mode = plain_mode();
    hash_parent(&mode, children, is_root ? ROOT : 0, output);
}

void rmcp_blake3_keyed_with_lanes(const uint8_t key[32], const void *data, size_t length, uint8_t output[32],
                                  unsigned lanes) {
    Mode mode = {.flags = KEYED};
    memcpy(mode.words, key, sizeof mode.words);
    hash_message(&mode, data, length, output, usable_lanes(lanes));
}

void rmcp_blake3_keyed(const uint8_t key[32], const void *data, size_t length, uint8_t output[32]) {
    rmcp_blake3_keyed_with_lanes(key, data, length, output, rmcp_blake3_lanes());
}
