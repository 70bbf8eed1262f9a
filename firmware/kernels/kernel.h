/* What every kernel header stands on. A kernel is an always-inline body that a model's C instantiates, so that shapes
 * given as literals fold into addresses, constant loop counts and removed branches. */
#ifndef SHOAL_KERNEL_H
#define SHOAL_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define SHOAL_INLINE static inline __attribute__((always_inline, unused))
#else
#define SHOAL_INLINE static inline
#endif

/* Unrolls the loop that follows n times. */
#if defined(__GNUC__) && !defined(__clang__)
#define SHOAL_PRAGMA(text) _Pragma(#text)
#define SHOAL_UNROLL(n)    SHOAL_PRAGMA(GCC unroll n)
#else
#define SHOAL_UNROLL(n)
#endif

/* A word from any address: one load on cores that allow it, bytes elsewhere. */
SHOAL_INLINE uint32_t load_word(const void *address) {
    uint32_t word;
    memcpy(&word, address, sizeof word);
    return word;
}

SHOAL_INLINE void store_word(void *address, uint32_t word) {
    memcpy(address, &word, sizeof word);
}

#endif
