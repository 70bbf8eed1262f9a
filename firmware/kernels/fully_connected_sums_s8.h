/* Parts of FULLY_CONNECTED, pure C: int32 sums of products of some of each row's inputs, eight outputs at a time.
 *
 * Weights lie in blocks of eight outputs as in fully_connected_s8.h; the input's zero point is folded into the bias. */
#ifndef SHOAL_FULLY_CONNECTED_SUMS_S8_H
#define SHOAL_FULLY_CONNECTED_SUMS_S8_H

#include "fully_connected_s8.h"

/* A row has `row` inputs; `input_c` of them, from `first` on, are multiplied. `asymmetric`: the weights have a zero
 * point. */
typedef struct {
    int32_t batches;
    int32_t row;
    int32_t first;
    int32_t input_c;
    int32_t output_c;
    int32_t asymmetric;
} fully_connected_sums_s8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t weights_zero_point;
    const int8_t *weights;
    const int32_t *bias;
} fully_connected_sums_s8_args;

/* Less the weights' zero point for each of `count` inputs. */
SHOAL_INLINE uint32_t fully_connected_sums_s8_correction(const int8_t *input, int32_t count, int32_t zero_point) {
    uint32_t correction = 0;
    for (int32_t i = 0; i < count; ++i) {
        correction -= (uint32_t)(input[i] * zero_point);
    }
    return correction;
}

/* Adds products of `count` inputs, and a correction, to the sums of `outputs`. The weights of a block start `pitch`
 * bytes behind those of the block before. */
SHOAL_INLINE void fully_connected_sums_s8_add(uint32_t *sums, const int8_t *input, const int8_t *weights, int32_t count,
                                              int32_t pitch, int32_t outputs, uint32_t correction) {
    for (int32_t first = 0; first < outputs; first += FULLY_CONNECTED_S8_EIGHT) {
        uint32_t products[FULLY_CONNECTED_S8_EIGHT];
        fully_connected_s8_sums_of_eight(products, input, weights, count);
        const int32_t left = outputs - first;
        for (int32_t c = 0; c < (left < FULLY_CONNECTED_S8_EIGHT ? left : FULLY_CONNECTED_S8_EIGHT); ++c) {
            sums[first + c] += products[c] + correction;
        }
        weights += pitch;
    }
}

SHOAL_INLINE void fully_connected_sums_s8(uint8_t *arena, const fully_connected_sums_s8_args *args,
                                          const fully_connected_sums_s8_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input) + shape->first;
    uint32_t *output = (uint32_t *)(void *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        uint32_t correction = 0;
        if (shape->asymmetric) {
            correction = fully_connected_sums_s8_correction(input, shape->input_c, args->weights_zero_point);
        }
        memcpy(output, args->bias, (size_t)shape->output_c * sizeof *output);
        fully_connected_sums_s8_add(output, input, args->weights, shape->input_c,
                                    shape->input_c * FULLY_CONNECTED_S8_EIGHT, shape->output_c, correction);
        input += shape->row;
        output += shape->output_c;
    }
}

#endif
