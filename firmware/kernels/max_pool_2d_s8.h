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

/* One output pixel: the largest value in `height` rows and `width` columns from `column` on. */
SHOAL_INLINE void max_pool_2d_s8_pixel(const int8_t *const *rows, int32_t height, int32_t column, int32_t width,
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
            const int8_t *input = rows[y] + column * pitch + c;
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
            const int8_t *input = rows[y] + column * pitch + c;
            for (int32_t x = 0; x < width; ++x) {
                largest = input[x * pitch] > largest ? input[x * pitch] : largest;
            }
        }
        output[c] = (int8_t)(shape->is_clamped && largest > args->high ? args->high : largest);
    }
}

/* One output row. `rows`: the `height` input rows that the window has inside the input, each from its first column. */
SHOAL_INLINE void max_pool_2d_s8_row(const int8_t *const *rows, int32_t height, int8_t *output,
                                     const max_pool_2d_s8_args *args, const max_pool_2d_s8_shape *shape) {
    for (int32_t x = 0; x < shape->output_w; ++x) {
        const pool_span span = pool_columns(x, shape);
        if (span.size == shape->filter_w) {
            max_pool_2d_s8_pixel(rows, height, span.first, shape->filter_w, output, args, shape);
        } else {
            max_pool_2d_s8_pixel(rows, height, span.first, span.size, output, args, shape);
        }
        output += shape->channels;
    }
}

SHOAL_INLINE void max_pool_2d_s8(uint8_t *arena, const max_pool_2d_s8_args *args, const max_pool_2d_s8_shape *shape) {
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        for (int32_t y = 0; y < shape->output_h; ++y) {
            const int8_t *rows[POOL_ROWS];
            const pool_span span = pool_rows(rows, arena, n, y, args, shape);
            max_pool_2d_s8_row(rows, span.size, output, args, shape);
            output += shape->output_w * shape->channels;
        }
    }
}

#endif
