/* FULLY_CONNECTED in float32 by weights that stay binary16 in flash: see fully_connected_f32.h. */
#ifndef SHOAL_FULLY_CONNECTED_F16_F32_H
#define SHOAL_FULLY_CONNECTED_F16_F32_H

#include "fully_connected_f32.h"

typedef fully_connected_f32_shape fully_connected_f16_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    float low;
    float high;
    const uint16_t *weights;
    const float *bias;
} fully_connected_f16_f32_args;

SHOAL_INLINE void fully_connected_f16_f32(uint8_t *arena, const fully_connected_f16_f32_args *args,
                                          const fully_connected_f16_f32_shape *shape) {
    fully_connected_f32_rows(floats_at((const int8_t *)(arena + args->input)),
                             floats_to((int8_t *)(arena + args->output)), args->weights, args->bias, args->low,
                             args->high, 1, shape);
}

#endif
