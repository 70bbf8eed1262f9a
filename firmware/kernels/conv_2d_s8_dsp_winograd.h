/* CONV_2D 3x3 without stride in int8 for cores with Arm's DSP extension, by Winograd's algorithm F(4x4, 3x3): a tile of
 * 4x4 outputs costs 36 products per input and output channel where the sum itself has 144. See winograd_dsp.h.
 *
 * The points are 0, 1, -1, 2, -2 and infinity. Weights are 24 times the rational ones in both directions, 12 times for
 * infinity, so that the outputs come to 576 times the sum. Multiplied by the inverse of 9 that is 64 times the sum,
 * which the generator proved to be below 2^25. */
#ifndef SHOAL_CONV_2D_S8_DSP_WINOGRAD_H
#define SHOAL_CONV_2D_S8_DSP_WINOGRAD_H

#include "fixed_point.h"
#include "kernel.h"
#include "winograd_dsp.h"

typedef winograd_shape conv_2d_s8_dsp_winograd_shape;
typedef winograd_args conv_2d_s8_dsp_winograd_args;

/* Six values at the six points: words add and shift as values do. */
SHOAL_INLINE void conv_2d_s8_dsp_winograd_points(const uint32_t *d, uint32_t *points) {
    const uint32_t a = d[4] - (d[2] << 2);
    const uint32_t b = d[3] - (d[1] << 2);
    const uint32_t c = d[4] - d[2];
    const uint32_t e = d[3] - d[1];
    points[0] = c + ((d[0] - d[2]) << 2);
    points[1] = a + b;
    points[2] = a - b;
    points[3] = c + (e << 1);
    points[4] = c - (e << 1);
    points[5] = d[5] - d[3] - (e << 2);
}

SHOAL_INLINE void conv_2d_s8_dsp_winograd_across(uint32_t *tiles, const uint32_t *columns, int32_t position) {
    SHOAL_UNROLL(2)
    for (int32_t t = 0; t < WINOGRAD_TILES; ++t) {
        uint32_t values[6], points[6];
        SHOAL_UNROLL(6)
        for (int32_t j = 0; j < 6; ++j) {
            values[j] = columns[t * 4 + j];
        }
        /* half the range added, so that the lower value does not borrow from the upper one: one of these two is part of
         * every point, once */
        values[4] += 0x8000;
        values[5] += 0x8000;
        conv_2d_s8_dsp_winograd_points(values, points);
        SHOAL_UNROLL(6)
        for (int32_t j = 0; j < 6; ++j) {
            tiles[j * position + t] = points[j] ^ 0x8000;
        }
    }
}

/* 576 times the sum, rescaled as fixed_point.h's requantize does. */
SHOAL_INLINE int8_t conv_2d_s8_dsp_winograd_rescale(uint32_t sum, uint32_t bias, int32_t multiplier, int32_t addend,
                                                    int32_t shift) {
    const int32_t doubled = (int32_t)(sum * UINT32_C(0x38E38E39) + bias) >> 5;
    return saturate_s8(high_mul_add(doubled, multiplier, addend + (doubled >> 31)) >> shift);
}

SHOAL_INLINE void conv_2d_s8_dsp_winograd_store(int8_t *output, int32_t pixel, int32_t row, const int32_t *sums,
                                                const int32_t *requantization) {
    const uint32_t bias = (uint32_t)requantization[0];
    const int32_t multiplier = requantization[1];
    const int32_t addend = requantization[2];
    const int32_t shift = requantization[3];
    uint32_t lines[24];
    SHOAL_UNROLL(6)
    for (int32_t j = 0; j < 6; ++j) {
        uint32_t m[6];
        SHOAL_UNROLL(6)
        for (int32_t i = 0; i < 6; ++i) {
            m[i] = (uint32_t)sums[(i * 6 + j) * WINOGRAD_SUMS];
        }
        const uint32_t s = m[1] + m[2], t = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
        lines[j] = m[0] + s + p;
        lines[6 + j] = t + (q << 1);
        lines[12 + j] = s + (p << 2);
        lines[18 + j] = t + (q << 3) + (m[5] << 1);
        SHOAL_IN_MEMORY(lines);
    }
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < 4; ++i) {
        const uint32_t *m = lines + i * 6;
        const uint32_t s = m[1] + m[2], t = m[1] - m[2], p = m[3] + m[4], q = m[3] - m[4];
        output[0] = conv_2d_s8_dsp_winograd_rescale(m[0] + s + p, bias, multiplier, addend, shift);
        output[pixel] = conv_2d_s8_dsp_winograd_rescale(t + (q << 1), bias, multiplier, addend, shift);
        output[2 * pixel] = conv_2d_s8_dsp_winograd_rescale(s + (p << 2), bias, multiplier, addend, shift);
        output[3 * pixel] =
            conv_2d_s8_dsp_winograd_rescale(t + (q << 3) + (m[5] << 1), bias, multiplier, addend, shift);
        output += row;
        SHOAL_IN_MEMORY(lines);
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_winograd(uint8_t *arena, const conv_2d_s8_dsp_winograd_args *args,
                                          const conv_2d_s8_dsp_winograd_shape *shape) {
    const winograd_transform transform = {
        .tile = 4,
        .carries = 1,
        .second = -6,
        .points = conv_2d_s8_dsp_winograd_points,
        .across = conv_2d_s8_dsp_winograd_across,
        .store = conv_2d_s8_dsp_winograd_store,
    };
    winograd(arena, args, shape, &transform);
}

#endif
