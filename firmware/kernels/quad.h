/* Sums of neighbouring channels, four at once in 16-bit halves of two words, on any core. Bytes are counted as value +
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

/* Sums that grow from call to call, one of each of `channels`: a word each or, with `halves`, which is for channels in
 * fours and sums of at most QUAD_MOST bytes, two in a word. */
SHOAL_INLINE int32_t sums_words(int32_t channels, int32_t halves) {
    return halves ? channels / 2 : channels;
}

/* Adds `count` pixels, one after another. */
SHOAL_INLINE void sums_add(uint32_t *sums, const int8_t *input, int32_t count, int32_t channels, int32_t halves) {
    const int32_t step = channels % QUAD_CHANNELS == 0 ? QUAD_CHANNELS : 1;
    for (int32_t c = 0; c < channels; c += step) {
        if (halves) {
            uint32_t even = sums[0];
            uint32_t odd = sums[1];
            SHOAL_UNROLL(4)
            for (int32_t i = 0; i < count; ++i) {
                uint32_t word = load_word(SHOAL_ALIGNED(input + c + i * channels)) ^ UINT32_C(0x80808080);
                even += word & UINT32_C(0x00FF00FF);
                odd += (word >> 8) & UINT32_C(0x00FF00FF);
            }
            sums[0] = even;
            sums[1] = odd;
            sums += 2;
        } else if (step > 1) {
            quad_sum(sums + c, input + c, count, channels);
        } else {
            sums[c] += single_sum(input + c, count, channels);
        }
    }
}

SHOAL_INLINE uint32_t sums_channel(const uint32_t *sums, int32_t channel, int32_t halves) {
    if (!halves) {
        return sums[channel];
    }
    const uint32_t pair = sums[channel / QUAD_CHANNELS * 2 + channel % 2];
    return channel % QUAD_CHANNELS < 2 ? pair & UINT32_C(0xFFFF) : pair >> 16;
}

#endif
