/* FULLY_CONNECTED in int8, pure C: four or eight outputs at a time over one row of inputs.
 *
 * Weights lie in blocks of so many outputs, [block][inputs][4 or 8], missing outputs zero; zero points are folded into
 * the bias, all but the weights' own where there is one, which takes the sum of the inputs. */
#ifndef SHOAL_FULLY_CONNECTED_S8_H
#define SHOAL_FULLY_CONNECTED_S8_H

#include "fixed_point.h"
#include "rows.h"

enum {
    FULLY_CONNECTED_S8_BLOCK = 4, /* outputs */
    FULLY_CONNECTED_S8_EIGHT = 8  /* outputs, where flash allows for more code */
};

/* `asymmetric`: the weights have a zero point; `general`: requantization constants need the general form; `clamped`:
 * the activation keeps less than int8. */
typedef struct {
    int32_t batches;
    int32_t input_c;
    int32_t output_c;
    int32_t asymmetric;
    int32_t general;
    int32_t clamped;
} fully_connected_s8_shape;

/* `bias`, `multipliers`, `shifts`: one per output, filled up to whole blocks. Where the form is not general `shifts`
 * holds right shifts - 1 and `offset` is 2 * zero point + 1, else TFLite's shifts and the zero point. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t weights_zero_point;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multipliers;
    const int8_t *shifts;
} fully_connected_s8_args;

typedef fully_connected_s8_shape fully_connected_s8_eight_shape;
typedef fully_connected_s8_args fully_connected_s8_eight_args;

/* The sums of products of a block of eight, four inputs in a turn. */
SHOAL_INNER_LOOP void fully_connected_s8_sums_of_eight(uint32_t *sums, const int8_t *input, const int8_t *weights,
                                                       int32_t count) {
    uint32_t own[FULLY_CONNECTED_S8_EIGHT] = {0};
    const int8_t *whole = input + count / 4 * 4;
    while (input != whole) {
        SHOAL_UNROLL(4)
        for (int32_t i = 0; i < 4; ++i) {
            const int32_t value = input[i];
            SHOAL_UNROLL(8)
            for (int32_t c = 0; c < FULLY_CONNECTED_S8_EIGHT; ++c) {
                own[c] += (uint32_t)(value * weights[i * FULLY_CONNECTED_S8_EIGHT + c]);
            }
        }
        input += 4;
        weights += 4 * FULLY_CONNECTED_S8_EIGHT;
    }
    for (int32_t i = 0; i < count % 4; ++i) {
        const int32_t value = input[i];
        SHOAL_UNROLL(8)
        for (int32_t c = 0; c < FULLY_CONNECTED_S8_EIGHT; ++c) {
            own[c] += (uint32_t)(value * *weights++);
        }
    }
    SHOAL_UNROLL(8)
    for (int32_t c = 0; c < FULLY_CONNECTED_S8_EIGHT; ++c) {
        sums[c] = own[c];
    }
}

/* The same of a block of four. */
SHOAL_INLINE void fully_connected_s8_sums(uint32_t *sums, const int8_t *input, const int8_t *weights, int32_t count) {
    SHOAL_UNROLL(4)
    for (int32_t c = 0; c < FULLY_CONNECTED_S8_BLOCK; ++c) {
        sums[c] = 0;
    }
    for (int32_t i = 0; i < count; ++i) {
        const int32_t value = input[i];
        SHOAL_UNROLL(4)
        for (int32_t c = 0; c < FULLY_CONNECTED_S8_BLOCK; ++c) {
            sums[c] += (uint32_t)(value * *weights++);
        }
    }
}

/* Outputs `channels` of a row of inputs, `block` at a time, which is a literal where this is instantiated; the first of
 * them, a multiple of it, goes to `output`. */
SHOAL_INLINE void fully_connected_s8_row(const int8_t *input, int8_t *output, span channels,
                                         const fully_connected_s8_args *args, const fully_connected_s8_shape *shape,
                                         int32_t block) {
    const int8_t *weights = args->weights + channels.first * shape->input_c;
    uint32_t correction = 0;
    if (shape->asymmetric) {
        for (int32_t i = 0; i < shape->input_c; ++i) {
            correction -= (uint32_t)(input[i] * args->weights_zero_point);
        }
    }
    for (int32_t first = channels.first; first < channels.last; first += block) {
        uint32_t sums[FULLY_CONNECTED_S8_EIGHT];
        if (block == FULLY_CONNECTED_S8_EIGHT) {
            fully_connected_s8_sums_of_eight(sums, input, weights, shape->input_c);
        } else {
            fully_connected_s8_sums(sums, input, weights, shape->input_c);
        }
        weights += block * shape->input_c;
        const int32_t left = channels.last - first;
        SHOAL_UNROLL(4)
        for (int32_t c = 0; c < (left < block ? left : block); ++c) {
            const uint32_t sum = sums[c] + (uint32_t)args->bias[first + c] + correction;
            const int32_t value = requantize_sum(sum, args->multipliers[first + c], args->shifts[first + c],
                                                 args->offset, shape->general);
            output[first - channels.first + c] =
                shape->clamped ? (int8_t)clamp(value, args->low, args->high) : saturate_s8(value);
        }
    }
}

SHOAL_INLINE void fully_connected_s8_blocks(uint8_t *arena, const fully_connected_s8_args *args,
                                            const fully_connected_s8_shape *shape, int32_t block) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        fully_connected_s8_row(input, output, (span){0, shape->output_c}, args, shape, block);
        input += shape->input_c;
        output += shape->output_c;
    }
}

/* Of a band, see rows.h: row y has outputs y * output_c and on, all of the one row of inputs. */
SHOAL_INLINE span fully_connected_s8_channels(int32_t y, span pixels, int32_t output_c) {
    return (span){y * output_c + pixels.first, y * output_c + pixels.last};
}

SHOAL_INLINE void fully_connected_s8(uint8_t *arena, const fully_connected_s8_args *args,
                                     const fully_connected_s8_shape *shape) {
    fully_connected_s8_blocks(arena, args, shape, FULLY_CONNECTED_S8_BLOCK);
}

/* One band, whole blocks. */
SHOAL_INLINE void fully_connected_s8_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                          const fully_connected_s8_args *args, const fully_connected_s8_shape *shape) {
    fully_connected_s8_row(input_row(rows, 0), output, fully_connected_s8_channels(y, pixels, shape->output_c), args,
                           shape, FULLY_CONNECTED_S8_BLOCK);
}

SHOAL_INLINE void fully_connected_s8_eight(uint8_t *arena, const fully_connected_s8_eight_args *args,
                                           const fully_connected_s8_eight_shape *shape) {
    fully_connected_s8_blocks(arena, args, shape, FULLY_CONNECTED_S8_EIGHT);
}

/* One band, whole blocks. */
SHOAL_INLINE void fully_connected_s8_eight_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                const fully_connected_s8_eight_args *args,
                                                const fully_connected_s8_eight_shape *shape) {
    fully_connected_s8_row(input_row(rows, 0), output, fully_connected_s8_channels(y, pixels, shape->output_c), args,
                           shape, FULLY_CONNECTED_S8_EIGHT);
}

#endif
