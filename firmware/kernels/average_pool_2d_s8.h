/* AVERAGE_POOL_2D in int8: four channels at a time, straight from the input, without scratch; or, where a window has
 * all rows of the input, row by row into sums, so that no two rows need be there at once. */
#ifndef SHOAL_AVERAGE_POOL_2D_S8_H
#define SHOAL_AVERAGE_POOL_2D_S8_H

#include "fixed_point.h"
#include "pool.h"
#include "quad.h"

typedef pool_shape average_pool_2d_s8_shape;
typedef pool_args average_pool_2d_s8_args;

/* Windows over `input_h` rows; `halves`: see sums_words in quad.h. */
typedef struct {
    int32_t input_h;
    int32_t input_w;
    int32_t channels;
    int32_t output_w;
    int32_t filter_w;
    int32_t stride_w;
    int32_t pad_left;
    int32_t halves;
    int32_t is_clamped;
} average_pool_2d_s8_accumulate_shape;

/* `state`: how many rows it has seen, a word, then the sums of each output pixel. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t state;
    int32_t low;
    int32_t high;
} average_pool_2d_s8_accumulate_args;

/* A sum of `count` values + 128 to their mean, halves away from zero: where the mean is not positive that is
 * downwards, which one less than half the count does. */
SHOAL_INLINE int8_t average_pool_2d_s8_mean(uint32_t sum, uint32_t count, int32_t is_clamped, int32_t low,
                                            int32_t high) {
    const uint32_t down = count % 2 == 0 && sum <= count * 128U;
    const int32_t mean = (int32_t)((sum + count / 2 - down) / count) - 128;
    return (int8_t)(is_clamped ? clamp(mean, low, high) : mean);
}

/* One output pixel: the mean over `height` lines and `width` columns from `column` on. */
SHOAL_INLINE void average_pool_2d_s8_pixel(const int8_t *const *lines, int32_t height, int32_t column, int32_t width,
                                           int8_t *output, const average_pool_2d_s8_args *args,
                                           const average_pool_2d_s8_shape *shape) {
    const int32_t pitch = shape->channels;
    const uint32_t count = (uint32_t)(height * width);
    const int32_t quads = pitch % QUAD_CHANNELS == 0 ? pitch : 0;
    for (int32_t c = 0; c < quads; c += QUAD_CHANNELS) {
        uint32_t sums[QUAD_CHANNELS] = {0};
        for (int32_t y = 0; y < height; ++y) {
            quad_sum(sums, lines[y] + column * pitch + c, width, pitch);
        }
        for (int32_t i = 0; i < QUAD_CHANNELS; ++i) {
            output[c + i] = average_pool_2d_s8_mean(sums[i], count, shape->is_clamped, args->low, args->high);
        }
    }
    for (int32_t c = quads; c < pitch; ++c) {
        uint32_t sum = 0;
        for (int32_t y = 0; y < height; ++y) {
            sum += single_sum(lines[y] + column * pitch + c, width, pitch);
        }
        output[c] = average_pool_2d_s8_mean(sum, count, shape->is_clamped, args->low, args->high);
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void average_pool_2d_s8_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                          const average_pool_2d_s8_args *args, const average_pool_2d_s8_shape *shape) {
    const int8_t *lines[POOL_ROWS];
    const int32_t height = pool_lines(lines, rows, y, shape);
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const pool_span inside = pool_columns(x, shape);
        if (inside.size == shape->filter_w) {
            average_pool_2d_s8_pixel(lines, height, inside.first, shape->filter_w, output, args, shape);
        } else {
            average_pool_2d_s8_pixel(lines, height, inside.first, inside.size, output, args, shape);
        }
        output += shape->channels;
    }
}

SHOAL_INLINE void average_pool_2d_s8(uint8_t *arena, const average_pool_2d_s8_args *args,
                                     const average_pool_2d_s8_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->channels};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            average_pool_2d_s8_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->channels;
        }
        input += shape->input_h * shape->input_w * shape->channels;
    }
}

SHOAL_INLINE pool_span average_pool_2d_s8_columns(int32_t x, const average_pool_2d_s8_accumulate_shape *shape) {
    return pool_inside(x * shape->stride_w - shape->pad_left, shape->filter_w, shape->input_w);
}

/* One band of a kernel that accumulates, see rows.h. */
SHOAL_INLINE void average_pool_2d_s8_accumulate_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                     void *state, const average_pool_2d_s8_accumulate_args *args,
                                                     const average_pool_2d_s8_accumulate_shape *shape) {
    const int8_t *line = input_row(rows, y);
    const int32_t words = sums_words(shape->channels, shape->halves);
    uint32_t *seen = (uint32_t *)state;
    uint32_t *sums = seen + 1;
    for (int32_t x = pixels.first; x < pixels.last; ++x) {
        const pool_span inside = average_pool_2d_s8_columns(x, shape);
        sums_add(sums + x * words, line + inside.first * shape->channels, inside.size, shape->channels, shape->halves);
    }
    /* the output may lie over the row: nothing is written before all of it is read */
    if (++*seen == (uint32_t)shape->input_h) {
        for (int32_t x = pixels.first; x < pixels.last; ++x) {
            const uint32_t count = (uint32_t)(shape->input_h * average_pool_2d_s8_columns(x, shape).size);
            for (int32_t c = 0; c < shape->channels; ++c) {
                const uint32_t sum = sums_channel(sums + x * words, c, shape->halves);
                *output++ = average_pool_2d_s8_mean(sum, count, shape->is_clamped, args->low, args->high);
            }
        }
    }
}

SHOAL_INLINE void average_pool_2d_s8_accumulate(uint8_t *arena, const average_pool_2d_s8_accumulate_args *args,
                                                const average_pool_2d_s8_accumulate_shape *shape) {
    const input_rows rows = {.base = (const int8_t *)(arena + args->input), .pitch = shape->input_w * shape->channels};
    const int32_t words = 1 + shape->output_w * sums_words(shape->channels, shape->halves);
    memset(arena + args->state, 0, (size_t)words * sizeof(uint32_t));
    for (int32_t y = 0; y < shape->input_h; ++y) {
        average_pool_2d_s8_accumulate_band(&rows, y, (span){0, shape->output_w}, (int8_t *)(arena + args->output),
                                           arena + args->state, args, shape);
    }
}

#endif
