/* CONV_2D in float32 by weights that stay binary16 in flash: see conv_2d_f32.h. */
#ifndef SHOAL_CONV_2D_F16_F32_H
#define SHOAL_CONV_2D_F16_F32_H

#include "conv_2d_f32.h"

typedef conv_2d_f32_shape conv_2d_f16_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    float low;
    float high;
    const uint16_t *weights;
    const float *bias;
} conv_2d_f16_f32_args;

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_f16_f32_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                       const conv_2d_f16_f32_args *args, const conv_2d_f16_f32_shape *shape) {
    const conv_2d_f32_constants constants = {args->weights, args->bias, args->low, args->high, 1};
    conv_2d_f32_row(rows, y, pixels, floats_to(output), &constants, shape);
}

SHOAL_INLINE void conv_2d_f16_f32(uint8_t *arena, const conv_2d_f16_f32_args *args,
                                  const conv_2d_f16_f32_shape *shape) {
    const conv_2d_f32_constants constants = {args->weights, args->bias, args->low, args->high, 1};
    conv_2d_f32_images((const int8_t *)(arena + args->input), floats_to((int8_t *)(arena + args->output)), &constants,
                       shape);
}

#endif
