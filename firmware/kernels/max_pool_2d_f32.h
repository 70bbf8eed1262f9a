/* MAX_POOL_2D in float32, straight from the input, without scratch. */
#ifndef SHOAL_MAX_POOL_2D_F32_H
#define SHOAL_MAX_POOL_2D_F32_H

#include "float_32.h"
#include "pool.h"

#include <float.h>

typedef pool_shape max_pool_2d_f32_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    float low;
    float high;
} max_pool_2d_f32_args;

/* One band, see rows.h. */
SHOAL_INLINE void max_pool_2d_f32_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                       const max_pool_2d_f32_args *args, const max_pool_2d_f32_shape *shape) {
    const int8_t *lines[POOL_ROWS];
    const int32_t height = pool_lines(lines, rows, y, shape);
    float *target = floats_to(output);
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const pool_span inside = pool_columns(x, shape);
        for (int32_t c = 0; c < shape->channels; ++c) {
            float largest = -FLT_MAX;
            for (int32_t k = 0; k < height; ++k) {
                const float *input = floats_at(lines[k]) + inside.first * shape->channels + c;
                for (int32_t i = 0; i < inside.size; ++i) {
                    largest = largest < input[i * shape->channels] ? input[i * shape->channels] : largest;
                }
            }
            target[c] = clamp_f32(largest, args->low, args->high);
        }
        target += shape->channels;
    }
}

SHOAL_INLINE void max_pool_2d_f32(uint8_t *arena, const max_pool_2d_f32_args *args,
                                  const max_pool_2d_f32_shape *shape) {
    const int32_t size = (int32_t)sizeof(float);
    const int32_t pitch = shape->input_w * shape->channels * size;
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = pitch};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            max_pool_2d_f32_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->channels * size;
        }
        input += shape->input_h * pitch;
    }
}

#endif
