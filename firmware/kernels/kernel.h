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

/* A function that is called from many places and is in the image once. */
#if defined(__GNUC__) && !defined(__clang__)
#define SHOAL_APART __attribute__((noinline, noclone))
#elif defined(__GNUC__)
#define SHOAL_APART __attribute__((noinline))
#else
#define SHOAL_APART
#endif

/* Unrolls the loop that follows n times. */
#if defined(__GNUC__) && !defined(__clang__)
#define SHOAL_PRAGMA(text) _Pragma(#text)
#define SHOAL_UNROLL(n)    SHOAL_PRAGMA(GCC unroll n)
#else
#define SHOAL_UNROLL(n)
#endif

/* A loop that needs all registers: a function of its own, in the order in which it is written. Reordered, its values
 * outnumber the registers and are spilled. */
#if defined(__GNUC__) && !defined(__clang__)
#define SHOAL_INNER_LOOP static __attribute__((noinline, unused, optimize("no-schedule-insns", "no-tree-reassoc")))
#elif defined(__GNUC__)
#define SHOAL_INNER_LOOP static __attribute__((noinline, unused))
#else
#define SHOAL_INNER_LOOP static
#endif

/* Values that registers have no room for, kept from being spilled one by one. */
#if defined(__GNUC__)
#define SHOAL_IN_MEMORY(array) __asm__ volatile("" : : "r"(array) : "memory")
#else
#define SHOAL_IN_MEMORY(array)
#endif

/* Makes a value one that the compiler knows nothing of: it keeps a constant in a register instead of making it anew
 * wherever it is used, and a sum instead of its summands. */
#if defined(__GNUC__)
#define SHOAL_IN_REGISTER(value) __asm__("" : "+r"(value))
#else
#define SHOAL_IN_REGISTER(value)
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

/* A pointer that the plan keeps at a multiple of four; compilers for cores that fault elsewhere do not assume so. */
#if defined(__GNUC__)
#define SHOAL_ALIGNED(pointer) __builtin_assume_aligned(pointer, 4)
#else
#define SHOAL_ALIGNED(pointer) (pointer)
#endif

/* Elements from first to last, the last not included. */
typedef struct {
    int32_t first;
    int32_t last;
} span;

/* Which of a window's taps, `dilation` apart from element `start`, lie inside of `size` elements. */
SHOAL_INLINE span taps_inside(int32_t start, int32_t taps, int32_t dilation, int32_t size) {
    span inside = {0, taps};
    if (start < 0) {
        const int32_t missing = (dilation - 1 - start) / dilation;
        inside.first = missing < taps ? missing : taps;
    }
    if (start + (taps - 1) * dilation >= size) {
        const int32_t present = start < size ? (size - start + dilation - 1) / dilation : 0;
        inside.last = present > inside.first ? present : inside.first;
    }
    return inside;
}

#endif
