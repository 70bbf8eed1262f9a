/* SOFTMAX in int8 along the last axis: exponentials of the distances to the largest input come from a table, in Q0.31;
 * beyond its end they are too small to matter. */
#ifndef SHOAL_SOFTMAX_S8_H
#define SHOAL_SOFTMAX_S8_H

#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

typedef struct {
    int32_t pixels;
    int32_t depth;
    int32_t table_length;
} softmax_s8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    const int32_t *table;
} softmax_s8_args;

/* x * 4, saturated. */
SHOAL_INLINE int32_t softmax_s8_times_four(int32_t x) {
    return clamp(x, INT32_MIN / 4, INT32_MAX / 4) * 4;
}

/* 1 / (1 + x) in Q0.31 for x in [0, 1), Q0.31: three Newton-Raphson steps in Q2.29 from 48/17 - 32/17 * half, where
 * half is (1 + x) / 2. */
SHOAL_INLINE int32_t softmax_s8_reciprocal(int32_t x) {
    const int32_t half = (int32_t)(((uint32_t)x + UINT32_C(0x80000000)) >> 1);
    int32_t y = 1515870810 + saturating_rounding_doubling_high_mul(half, -1010580540);
    for (int32_t i = 0; i < 3; ++i) {
        int32_t error = (INT32_C(1) << 29) - saturating_rounding_doubling_high_mul(half, y);
        y += softmax_s8_times_four(saturating_rounding_doubling_high_mul(y, error));
    }
    return clamp(y, INT32_MIN / 2, INT32_MAX / 2) * 2;
}

SHOAL_INLINE void softmax_s8_pixel(const int8_t *input, int8_t *output, int32_t depth, const int32_t *table,
                                   int32_t table_length) {
    int32_t largest = INT8_MIN;
    for (int32_t i = 0; i < depth; ++i) {
        largest = input[i] > largest ? input[i] : largest;
    }
    uint32_t sum = 0; /* Q12.19 */
    for (int32_t i = 0; i < depth; ++i) {
        int32_t distance = largest - input[i];
        if (distance < table_length) {
            sum += ((uint32_t)table[distance] + (1U << 11)) >> 12;
        }
    }
    int32_t headroom = 0;
    while ((sum >> 31) == 0U) {
        sum <<= 1;
        ++headroom;
    }
    const uint32_t scale = (uint32_t)softmax_s8_reciprocal((int32_t)(sum - UINT32_C(0x80000000)));
    const int32_t shift = 12 - headroom + 31 - 8; /* 23 or more */
    const uint32_t half = shift < 32 ? UINT32_C(1) << (shift - 1) : 0U;
    for (int32_t i = 0; i < depth; ++i) {
        int32_t distance = largest - input[i];
        int32_t value = 0;
        if (distance < table_length && shift < 32) {
            uint32_t product = (uint32_t)(((uint64_t)scale * (uint32_t)table[distance] + (1U << 30)) >> 31);
            value = (int32_t)((product + half) >> shift);
        }
        output[i] = saturate_s8(value - 128);
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void softmax_s8_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                  const softmax_s8_args *args, const softmax_s8_shape *shape) {
    const softmax_s8_shape s = *shape;
    const int8_t *input = input_row(rows, y) + pixels.first * s.depth;
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        softmax_s8_pixel(input, output, s.depth, args->table, s.table_length);
        input += s.depth;
        output += s.depth;
    }
}

SHOAL_INLINE void softmax_s8(uint8_t *arena, const softmax_s8_args *args, const softmax_s8_shape *shape) {
    const input_rows whole = {.base = (const int8_t *)(arena + args->input)};
    softmax_s8_band(&whole, 0, (span){0, shape->pixels}, (int8_t *)(arena + args->output), args, shape);
}

#endif
