/* FULLY_CONNECTED in int8, pure C: four outputs at a time over one row of inputs.
 *
 * Weights lie in blocks of four outputs, [block][inputs][4], missing outputs zero; zero points are folded into the
 * bias, all but the weights' own where there is one, which takes the sum of the inputs. */
#ifndef SHOAL_FULLY_CONNECTED_S8_H
#define SHOAL_FULLY_CONNECTED_S8_H

#include "fixed_point.h"
#include "kernel.h"

enum {
    FULLY_CONNECTED_S8_BLOCK = 4 /* outputs */
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

SHOAL_INLINE void fully_connected_s8(uint8_t *arena, const fully_connected_s8_args *args,
                                     const fully_connected_s8_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const int8_t *weights = args->weights;
        uint32_t correction = 0;
        if (shape->asymmetric) {
            for (int32_t i = 0; i < shape->input_c; ++i) {
                correction -= (uint32_t)(input[i] * args->weights_zero_point);
            }
        }
        for (int32_t block = 0; block < shape->output_c; block += FULLY_CONNECTED_S8_BLOCK) {
            uint32_t sums[FULLY_CONNECTED_S8_BLOCK];
            SHOAL_UNROLL(4)
            for (int32_t c = 0; c < FULLY_CONNECTED_S8_BLOCK; ++c) {
                sums[c] = (uint32_t)args->bias[block + c] + correction;
            }
            for (int32_t i = 0; i < shape->input_c; ++i) {
                const int32_t value = input[i];
                SHOAL_UNROLL(4)
                for (int32_t c = 0; c < FULLY_CONNECTED_S8_BLOCK; ++c) {
                    sums[c] += (uint32_t)(value * weights[c]);
                }
                weights += FULLY_CONNECTED_S8_BLOCK;
            }
            const int32_t left = shape->output_c - block;
            SHOAL_UNROLL(4)
            for (int32_t c = 0; c < (left < FULLY_CONNECTED_S8_BLOCK ? left : FULLY_CONNECTED_S8_BLOCK); ++c) {
                const int32_t value = requantize_sum(sums[c], args->multipliers[block + c], args->shifts[block + c],
                                                     args->offset, shape->general);
                output[block + c] = shape->clamped ? (int8_t)clamp(value, args->low, args->high) : saturate_s8(value);
            }
        }
        input += shape->input_c;
        output += shape->output_c;
    }
}

#endif
