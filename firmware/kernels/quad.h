/* Sums of four neighbouring channels at once, in 16-bit halves of two words, on any core. Bytes are counted as value +
 * 128, so that nothing is negative. */
#ifndef SHOAL_QUAD_H
#define SHOAL_QUAD_H

#include "kernel.h"

enum {
    QUAD_CHANNELS = 4,
    QUAD_MOST = 257 /* bytes that a half holds: 257 * 255 < 2^16 */
};

/* Adds `count` quads, each `pitch` bytes after the one before, to the four sums. Their addresses are multiples of four.
 */
SHOAL_INLINE void quad_sum(uint32_t *sums, const int8_t *input, int32_t count, int32_t pitch) {
    for (int32_t done = 0; done < count; done += QUAD_MOST) {
        const int32_t part = count - done < QUAD_MOST ? count - done : QUAD_MOST;
        uint32_t even = 0;
        uint32_t odd = 0;
        SHOAL_UNROLL(4)
        for (int32_t i = 0; i < part; ++i) {
            uint32_t word = load_word(SHOAL_ALIGNED(input)) ^ UINT32_C(0x80808080);
            even += word & UINT32_C(0x00FF00FF);
            odd += (word >> 8) & UINT32_C(0x00FF00FF);
            input += pitch;
        }
        sums[0] += even & UINT32_C(0xFFFF);
        sums[1] += odd & UINT32_C(0xFFFF);
        sums[2] += even >> 16;
        sums[3] += odd >> 16;
    }
}

/* The same for one channel. */
SHOAL_INLINE uint32_t single_sum(const int8_t *input, int32_t count, int32_t pitch) {
    int32_t sum = 0;
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < count; ++i) {
        sum += input[i * pitch];
    }
    return (uint32_t)(sum + count * 128);
}

#endif
