/* CONV_2D in int8 for RISC-V, two products in one multiply: three pixels by four output channels, 90 instructions for
 * 48 products.
 *
 * A word holds the weights of two output channels, lower + 65536 * upper. Its product with an input is both products,
 * and so is a sum of them, as long as either channel's sum stays below 2^15: of four inputs mostly, of two always (the
 * generator proves which). Such a group, with 2^15 added, gives the upper sum by a shift; added up as it is, it gives
 * in the end both sums modulo 2^32, from which the upper one is taken off.
 *
 * Scratch holds the windows of some tiles of three pixels, in each four bytes of one, then of the next; where pixels
 * are not whole words, one window more, as it lies. All of them are computed for one block of channels before the next:
 * a cache over flash reads weights once for so many pixels. The input's zero point is folded into the bias. */
#ifndef SHOAL_CONV_2D_S8_RV_TWIN_H
#define SHOAL_CONV_2D_S8_RV_TWIN_H

#include "kernel.h"
#include "rows.h"
#include "rv.h"

enum {
    TWIN_PIXELS = 3,
    TWIN_CHANNELS = 4,                   /* output channels of a block of weights: two words */
    TWIN_TAPS = 4,                       /* inputs of a quad */
    TWIN_STEP = TWIN_PIXELS * TWIN_TAPS, /* bytes from a quad to the next */
    TWIN_WORDS = 2 * TWIN_TAPS           /* weights of a quad */
};

/* `output_c` is a multiple of 4; `tiles`: how many scratch holds. `rectified`: the output's zero point is -128;
 * `clamped`: the activation keeps less than int8. */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t input_c;
    int32_t output_h;
    int32_t output_w;
    int32_t output_c;
    int32_t filter_h;
    int32_t filter_w;
    int32_t stride_h;
    int32_t stride_w;
    int32_t dilation_h;
    int32_t dilation_w;
    int32_t pad_top;
    int32_t pad_left;
    int32_t tiles;
    int32_t rectified;
} conv_2d_s8_rv_twin_shape;

/* `weights`, per four output channels: for each pair of them what the sums start from, both and the upper one; runs of
 * quads; for each channel the multiplier, addend and shift of rescale_quadrupled. A run: the bytes that its quads have
 * in scratch, their weights, four words of the first pair and four of the second each; then, unless all quads are done,
 * the weights of one that is summed by twos. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    int32_t low;
    int32_t high;
    const int32_t *weights;
} conv_2d_s8_rv_twin_args;

/* Of each pixel and pair of channels. */
typedef struct {
    uint32_t both[2 * TWIN_PIXELS];
    int32_t upper[2 * TWIN_PIXELS];
} conv_2d_s8_rv_twin_sums;

/* Adds a quad of each pixel, `taps` inputs at a time. */
SHOAL_INLINE void conv_2d_s8_rv_twin_quad(conv_2d_s8_rv_twin_sums *sums, const int8_t *inputs, const int32_t *weights,
                                          int32_t taps, uint32_t half) {
    uint32_t words[TWIN_WORDS];
    SHOAL_UNROLL(8)
    for (int32_t i = 0; i < TWIN_WORDS; ++i) {
        words[i] = (uint32_t)weights[i];
    }
    SHOAL_UNROLL(6)
    for (int32_t i = 0; i < TWIN_STEP; i += taps) {
        const int32_t p = i / TWIN_TAPS, start = i % TWIN_TAPS;
        uint32_t first = half, second = half;
        SHOAL_UNROLL(4)
        for (int32_t k = start; k < start + taps; ++k) {
            const uint32_t x = (uint32_t)inputs[p * TWIN_TAPS + k];
            first += x * words[k];
            second += x * words[TWIN_TAPS + k];
        }
        sums->both[2 * p] += first;
        sums->upper[2 * p] += (int32_t)first >> 16;
        sums->both[2 * p + 1] += second;
        sums->upper[2 * p + 1] += (int32_t)second >> 16;
    }
}

/* The windows from `tile` to `last` by so many `channels`, results from `low` to `high`. Returns the weights that
 * follow. */
SHOAL_INLINE const int32_t *conv_2d_s8_rv_twin_tile(const int8_t *tile, const int8_t *last, const int32_t *weights,
                                                    int8_t *const *outputs, int32_t channels, int32_t low, int32_t high,
                                                    int32_t rectified) {
    int8_t *targets[TWIN_PIXELS] = {outputs[0], outputs[1], outputs[2]};
    const int8_t *end = targets[0] + channels;
    uint32_t half = 0x8000;
    SHOAL_IN_REGISTER(half);
    do {
        const int8_t *inputs = tile;
        conv_2d_s8_rv_twin_sums sums;
        SHOAL_UNROLL(6)
        for (int32_t i = 0; i < 2 * TWIN_PIXELS; ++i) {
            sums.both[i] = (uint32_t)weights[i % 2 * 2];
            sums.upper[i] = weights[i % 2 * 2 + 1];
        }
        weights += 4;
        for (;;) {
            const int8_t *stop = inputs + *weights++;
            while (inputs != stop) {
                conv_2d_s8_rv_twin_quad(&sums, inputs, weights, TWIN_TAPS, half);
                inputs += TWIN_STEP;
                weights += TWIN_WORDS;
                SHOAL_IN_REGISTER(inputs);
                SHOAL_IN_REGISTER(weights);
            }
            if (inputs == last) {
                break;
            }
            conv_2d_s8_rv_twin_quad(&sums, inputs, weights, TWIN_TAPS / 2, half);
            inputs += TWIN_STEP;
            weights += TWIN_WORDS;
        }
        int32_t least = low, most = high; /* made anew twelve times where they are literals */
        SHOAL_IN_REGISTER(least);
        SHOAL_IN_REGISTER(most);
        SHOAL_UNROLL(4)
        for (int32_t k = 0; k < TWIN_CHANNELS; ++k) {
            const int32_t multiplier = weights[3 * k], addend = weights[3 * k + 1], shift = weights[3 * k + 2];
            /* pixels that are missing lie where the first is stored, after them */
            SHOAL_UNROLL(3)
            for (int32_t p = TWIN_PIXELS - 1; p >= 0; --p) {
                const int32_t i = 2 * p + k / 2;
                const uint32_t upper = (uint32_t)sums.upper[i];
                const int32_t sum = (int32_t)(k % 2 == 0 ? sums.both[i] - (upper << 16) : upper);
                const int32_t value = rescale_quadrupled(4 * sum, multiplier, addend, shift, rectified);
                targets[p][k] = (int8_t)clamp(value, least, most);
            }
        }
        SHOAL_UNROLL(3)
        for (int32_t p = 0; p < TWIN_PIXELS; ++p) {
            targets[p] += TWIN_CHANNELS;
        }
        weights += 3 * TWIN_CHANNELS;
    } while (targets[0] != end);
    return weights;
}

SHOAL_INNER_LOOP const int32_t *conv_2d_s8_rv_twin_linear(const int8_t *tile, const int8_t *last,
                                                          const int32_t *weights, int8_t *const *outputs,
                                                          int32_t channels, int32_t low, int32_t high) {
    return conv_2d_s8_rv_twin_tile(tile, last, weights, outputs, channels, low, high, 0);
}

SHOAL_INNER_LOOP const int32_t *conv_2d_s8_rv_twin_rectified(const int8_t *tile, const int8_t *last,
                                                             const int32_t *weights, int8_t *const *outputs,
                                                             int32_t channels, int32_t low, int32_t high) {
    return conv_2d_s8_rv_twin_tile(tile, last, weights, outputs, channels, low, high, 1);
}

/* Copies `length` bytes of a window, `step` bytes from one word to the next, or as they lie where that is 0. Returns
 * where the next ones go. */
SHOAL_INLINE int8_t *conv_2d_s8_rv_twin_copy(int8_t *target, const int8_t *source, int32_t length, int32_t step) {
    if (step == 0) {
        SHOAL_UNROLL(16)
        for (int32_t i = 0; i < length; ++i) {
            target[i] = source[i];
        }
        return target + length;
    }
    SHOAL_UNROLL(8)
    for (int32_t i = 0; i < length; i += 4) {
        store_word(SHOAL_ALIGNED(target), load_word(SHOAL_ALIGNED(source + i)));
        target += step;
    }
    return target;
}

/* The same of padding. */
SHOAL_INLINE int8_t *conv_2d_s8_rv_twin_fill(int8_t *target, int32_t zero_point, int32_t length, int32_t step) {
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < length; i += step == 0 ? 1 : 4) {
        if (step == 0) {
            *target++ = (int8_t)zero_point;
        } else {
            store_word(SHOAL_ALIGNED(target), (uint32_t)(uint8_t)zero_point * UINT32_C(0x01010101));
            target += step;
        }
    }
    return target;
}

/* The window whose first tap is at (top, column), wherever that lies. */
SHOAL_INLINE void conv_2d_s8_rv_twin_window(int8_t *target, const input_rows *rows, int32_t top, int32_t column,
                                            int32_t step, int32_t zero_point, const conv_2d_s8_rv_twin_shape *shape) {
    const int32_t depth = shape->input_c;
    const int32_t merged = shape->dilation_w == 1;
    const int32_t length = merged ? shape->filter_w * depth : depth;
    const span inside = taps_inside(column, shape->filter_w, shape->dilation_w, shape->input_w);
    SHOAL_UNROLL(1)
    for (int32_t y = 0; y < shape->filter_h; ++y) {
        const int32_t row = top + y * shape->dilation_h;
        if (row < 0 || row >= shape->input_h || inside.first == inside.last) {
            target = conv_2d_s8_rv_twin_fill(target, zero_point, shape->filter_w * depth, step);
            continue;
        }
        const int8_t *line = input_row(rows, row);
        if (merged && inside.last - inside.first == shape->filter_w) {
            target = conv_2d_s8_rv_twin_copy(target, line + column * depth, length, step);
            continue;
        }
        target = conv_2d_s8_rv_twin_fill(target, zero_point, inside.first * depth, step);
        SHOAL_UNROLL(1)
        for (int32_t x = inside.first; x < inside.last; ++x) {
            target = conv_2d_s8_rv_twin_copy(target, line + (column + x * shape->dilation_w) * depth, depth, step);
        }
        target = conv_2d_s8_rv_twin_fill(target, zero_point, (shape->filter_w - inside.last) * depth, step);
    }
}

/* So many `pixels` from (y, x) on, in the next rows where this one ends. */
SHOAL_INLINE void conv_2d_s8_rv_twin_run(const input_rows *rows, int32_t y, int32_t x, int32_t pixels, int8_t *output,
                                         void *scratch, const conv_2d_s8_rv_twin_args *args,
                                         const conv_2d_s8_rv_twin_shape *shape) {
    const int32_t whole = shape->input_c % TWIN_TAPS == 0;
    const int32_t taps = shape->filter_h * shape->filter_w * shape->input_c;
    const int32_t bytes = (taps + TWIN_TAPS - 1) / TWIN_TAPS * TWIN_STEP;
    int8_t *tiles = (int8_t *)scratch, *line = tiles + shape->tiles * bytes;
    while (pixels > 0) {
        const int32_t room = shape->tiles * TWIN_PIXELS;
        const int32_t count = pixels < room ? pixels : room;
        int8_t *window = tiles;
        SHOAL_UNROLL(1)
        for (int32_t p = 0; p < count; ++p) {
            const int32_t column = x * shape->stride_w - shape->pad_left;
            conv_2d_s8_rv_twin_window(whole ? window : line, rows, y * shape->stride_h - shape->pad_top, column,
                                      whole ? TWIN_STEP : 0, args->input_zero_point, shape);
            if (!whole) {
                conv_2d_s8_rv_twin_copy(window, line, taps, TWIN_STEP);
            }
            window += (p + 1) % TWIN_PIXELS == 0 ? bytes - (TWIN_PIXELS - 1) * TWIN_TAPS : TWIN_TAPS;
            if (++x == shape->output_w) {
                x = 0;
                ++y;
            }
        }
        /* one tile by all channels, or all tiles by one block after the other */
        const int32_t channels = shape->tiles == 1 ? shape->output_c : TWIN_CHANNELS;
        const int32_t *weights = args->weights;
        SHOAL_UNROLL(1)
        for (int32_t c = 0; c < shape->output_c; c += channels) {
            const int8_t *tile = tiles;
            const int32_t *next = weights;
            SHOAL_UNROLL(1)
            for (int32_t p = 0; p < count; p += TWIN_PIXELS) {
                int8_t *first = output + p * shape->output_c + c;
                int8_t *outputs[TWIN_PIXELS] = {first, first, first};
                outputs[1] += p + 1 < count ? shape->output_c : 0;
                outputs[2] += p + 2 < count ? 2 * shape->output_c : 0;
                next = shape->rectified ? conv_2d_s8_rv_twin_rectified(tile, tile + bytes, weights, outputs, channels,
                                                                       args->low, args->high)
                                        : conv_2d_s8_rv_twin_linear(tile, tile + bytes, weights, outputs, channels,
                                                                    args->low, args->high);
                tile += bytes;
            }
            weights = next;
        }
        output += count * shape->output_c;
        pixels -= count;
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_s8_rv_twin_band(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *scratch,
                                          const conv_2d_s8_rv_twin_args *args, const conv_2d_s8_rv_twin_shape *shape) {
    conv_2d_s8_rv_twin_run(rows, y, pixels.first, pixels.last - pixels.first, output, scratch, args, shape);
}

SHOAL_INLINE void conv_2d_s8_rv_twin(uint8_t *arena, const conv_2d_s8_rv_twin_args *args,
                                     const conv_2d_s8_rv_twin_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->input_c};
        const int32_t pixels = shape->output_h * shape->output_w;
        conv_2d_s8_rv_twin_run(&rows, 0, 0, pixels, output, arena + args->scratch, args, shape);
        output += pixels * shape->output_c;
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
