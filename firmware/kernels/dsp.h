/* Pairs of 16-bit values in a word: one instruction each where the core has Arm's DSP extension, plain C elsewhere, so
 * that kernels for those cores run on the host as well. Little endian. */
#ifndef SHOAL_DSP_H
#define SHOAL_DSP_H

#include "kernel.h"

/* Bytes 0 and 2 of a word, sign-extended to 16 bits each. */
SHOAL_INLINE uint32_t even_bytes(uint32_t word) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
    return pair;
#else
    return (uint16_t)(int8_t)word | (uint32_t)(int8_t)(word >> 16) << 16;
#endif
}

/* Bytes 1 and 3 of a word, sign-extended to 16 bits each. */
SHOAL_INLINE uint32_t odd_bytes(uint32_t word) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    return even_bytes(word >> 8);
#endif
}

/* Bytes 0 and 2 of a word as they are, 16 bits each. */
SHOAL_INLINE uint32_t even_unsigned(uint32_t word) {
    return word & UINT32_C(0x00FF00FF);
}

/* Bytes 1 and 3 of a word as they are, 16 bits each. */
SHOAL_INLINE uint32_t odd_unsigned(uint32_t word) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t pair;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
    return pair;
#else
    return even_unsigned(word >> 8);
#endif
}

/* The sums of the low halves and of the high halves; they do not carry. */
SHOAL_INLINE uint32_t add_halves(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t sums;
    __asm__("sadd16 %0, %1, %2" : "=r"(sums) : "r"(a), "r"(b));
    return sums;
#else
    return ((a & UINT32_C(0xFFFF0000)) + (b & UINT32_C(0xFFFF0000))) | ((a + b) & UINT32_C(0xFFFF));
#endif
}

/* The differences of the low halves and of the high halves; they do not borrow. */
SHOAL_INLINE uint32_t subtract_halves(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
    uint32_t differences;
    __asm__("ssub16 %0, %1, %2" : "=r"(differences) : "r"(a), "r"(b));
    return differences;
#else
    return ((a & UINT32_C(0xFFFF0000)) - (b & UINT32_C(0xFFFF0000))) | ((a - b) & UINT32_C(0xFFFF));
#endif
}

#endif
