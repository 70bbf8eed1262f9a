/* MAX_POOL_2D in int8: four channels at a time where the core compares four bytes at once. */
#ifndef SHOAL_MAX_POOL_2D_S8_H
#define SHOAL_MAX_POOL_2D_S8_H

#include "fixed_point.h"
#include "pool.h"

#if defined(__ARM_FEATURE_SIMD32)
#include <arm_acle.h>
#endif

typedef pool_shape max_pool_2d_s8_shape;
typedef pool_args max_pool_2d_s8_args;

#if defined(__ARM_FEATURE_SIMD32)
/* The largest of each byte. */
SHOAL_INLINE uint32_t max_pool_2d_s8_largest(uint32_t a, uint32_t b) {
    (void)__ssub8((int8x4_t)a, (int8x4_t)b); /* sets the flags that the selection reads */
    return __sel(a, b);
}

/* The smallest of each byte. */
SHOAL_INLINE uint32_t max_pool_2d_s8_least(uint32_t a, uint32_t b) {
    (void)__ssub8((int8x4_t)a, (int8x4_t)b);
    return __sel(b, a);
}
#endif

/* One output pixel: the largest value in `height` lines and `width` columns from `column` on. */
SHOAL_INLINE void max_pool_2d_s8_pixel(const int8_t *const *lines, int32_t height, int32_t column, int32_t width,
                                       int8_t *output, const max_pool_2d_s8_args *args,
                                       const max_pool_2d_s8_shape *shape) {
    const int32_t pitch = shape->channels;
    int32_t c = 0;
#if defined(__ARM_FEATURE_SIMD32)
    const uint32_t low = (uint8_t)args->low * UINT32_C(0x01010101);
    const uint32_t high = (uint8_t)args->high * UINT32_C(0x01010101);
    for (; c + 4 <= pitch && pitch % 4 == 0; c += 4) {
        uint32_t largest = low;
        for (int32_t y = 0; y < height; ++y) {
            const int8_t *input = lines[y] + column * pitch + c;
            for (int32_t x = 0; x < width; ++x) {
                largest = max_pool_2d_s8_largest(load_word(SHOAL_ALIGNED(input + x * pitch)), largest);
            }
        }
        store_word(SHOAL_ALIGNED(output + c), shape->is_clamped ? max_pool_2d_s8_least(largest, high) : largest);
    }
#endif
    for (; c < pitch; ++c) {
        int32_t largest = args->low;
        for (int32_t y = 0; y < height; ++y) {
            const int8_t *input = lines[y] + column * pitch + c;
            for (int32_t x = 0; x < width; ++x) {
                largest = input[x * pitch] > largest ? input[x * pitch] : largest;
            }
        }
        output[c] = (int8_t)(shape->is_clamped && largest > args->high ? args->high : largest);
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void max_pool_2d_s8_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                      const max_pool_2d_s8_args *args, const max_pool_2d_s8_shape *shape) {
    const int8_t *lines[POOL_ROWS];
    const int32_t height = pool_lines(lines, rows, y, shape);
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const pool_span inside = pool_columns(x, shape);
        if (inside.size == shape->filter_w) {
            max_pool_2d_s8_pixel(lines, height, inside.first, shape->filter_w, output, args, shape);
        } else {
            max_pool_2d_s8_pixel(lines, height, inside.first, inside.size, output, args, shape);
        }
        output += shape->channels;
    }
}

SHOAL_INLINE void max_pool_2d_s8(uint8_t *arena, const max_pool_2d_s8_args *args, const max_pool_2d_s8_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->channels};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            max_pool_2d_s8_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->channels;
        }
        input += shape->input_h * shape->input_w * shape->channels;
    }
}

#endif
