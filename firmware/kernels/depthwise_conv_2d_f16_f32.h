/* DEPTHWISE_CONV_2D in float32 by weights that stay binary16 in flash: see depthwise_conv_2d_f32.h. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_F16_F32_H
#define SHOAL_DEPTHWISE_CONV_2D_F16_F32_H

#include "depthwise_conv_2d_f32.h"

typedef depthwise_conv_2d_f32_shape depthwise_conv_2d_f16_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    float low;
    float high;
    const uint16_t *weights;
    const float *bias;
} depthwise_conv_2d_f16_f32_args;

/* One band, see rows.h. */
SHOAL_INLINE void depthwise_conv_2d_f16_f32_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                 const depthwise_conv_2d_f16_f32_args *args,
                                                 const depthwise_conv_2d_f16_f32_shape *shape) {
    const depthwise_conv_2d_f32_constants constants = {args->weights, args->bias, args->low, args->high, 1};
    depthwise_conv_2d_f32_row(rows, y, pixels, floats_to(output), &constants, shape);
}

SHOAL_INLINE void depthwise_conv_2d_f16_f32(uint8_t *arena, const depthwise_conv_2d_f16_f32_args *args,
                                            const depthwise_conv_2d_f16_f32_shape *shape) {
    const depthwise_conv_2d_f32_constants constants = {args->weights, args->bias, args->low, args->high, 1};
    depthwise_conv_2d_f32_images((const int8_t *)(arena + args->input), floats_to((int8_t *)(arena + args->output)),
                                 &constants, shape);
}

#endif
