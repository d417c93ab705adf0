#ifndef CBLAKE3_H
#define CBLAKE3_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// BLAKE3 of `length` bytes at `data`, in its plain mode with 32 bytes of output (O'Connor, Aumasson, Neves and
/// Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", 2020). Never fails, allocates nothing, and uses at most
/// 64 KiB of stack. `data` may be null when `length` is 0.
void rmcp_blake3(const void *_Nullable data, size_t length, uint8_t output[_Nonnull 32]);

/// Lanes that `rmcp_blake3` hashes at once on this processor: 16, 8 or 4.
unsigned rmcp_blake3_lanes(void);

/// The same digest computed with no more than so many lanes (4, 8 or 16, or what there is): for tests, which hold the widths against
/// each other.
void rmcp_blake3_with_lanes(const void *_Nullable data, size_t length, uint8_t output[_Nonnull 32], unsigned lanes);

/// The chaining value of one subtree of a longer message: `length` bytes, 1 or more, that begin with the message's leaf number `leaf` (leaves
/// of 1,024 bytes). Only what is a subtree there has a meaning: a power of two of leaves at a multiple of it, or what is left at
/// the message's end.
void rmcp_blake3_subtree(const void *data, size_t length, uint64_t leaf, uint8_t output[_Nonnull 32]);

/// The chaining value of the parent of two subtrees, whose values are in `children`, the left one's first; with `is_root` the digest
/// of the message that they make up.
void rmcp_blake3_parent(const uint8_t children[_Nonnull 64], _Bool is_root, uint8_t output[_Nonnull 32]);

/// BLAKE3 in its keyed mode: a pseudorandom function of the message under `key`, and so a message authentication code.
void rmcp_blake3_keyed(const uint8_t key[_Nonnull 32], const void *_Nullable data, size_t length,
                       uint8_t output[_Nonnull 32]);

/// The same with no more than so many lanes, for tests.
void rmcp_blake3_keyed_with_lanes(const uint8_t key[_Nonnull 32], const void *_Nullable data, size_t length,
                                  uint8_t output[_Nonnull 32], unsigned lanes);

#pragma clang assume_nonnull end

#endif
