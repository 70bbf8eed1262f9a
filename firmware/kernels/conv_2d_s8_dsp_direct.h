/* CONV_2D in int8 for cores with Arm's DSP extension, straight from the input: no scratch, no state, so that it serves
 * where RAM is short. Two pixels by four channels, 30 instructions for 32 products and about 9 for the rest of each
 * output.
 *
 * Weights have 16 bits so that neither they nor the inputs are unpacked. A word of inputs whose even bytes have their
 * top bit flipped is a pair of x1 * 256 + (x0 + 128); its even bytes, unsigned, are a pair of x0 + 128. Multiplied by
 * w1 and by w0 * 256 - w1 they sum to 256 * (x0 * w0 + x1 * w1) + 32768 * w0, of which the last is taken off in the
 * bias. The generator takes this kernel only where sums stay below 2^23.
 *
 * A window is a list of segments of contiguous input bytes: filter rows, or taps where it leaves the image, which read
 * padding instead. The input's zero point is folded into the bias. */
#ifndef SHOAL_CONV_2D_S8_DSP_DIRECT_H
#define SHOAL_CONV_2D_S8_DSP_DIRECT_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"

enum {
    DIRECT_TAPS = 9, /* the most that a filter may have */
    DIRECT_BLOCK = 4 /* output channels of a block of weights */
};

/* `input_c` and `output_c` are multiples of 4. `clamped`: the activation keeps less than int8. */
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
    int32_t clamped;
} conv_2d_s8_dsp_direct_shape;

/* `weights`: [block][inputs / 4][w1 and w3, 256 * w0 - w1 and 256 * w2 - w3][channel][2]. `requantization`, 16 words
 * per block: four sums to start from, then for each channel the multiplier, what is added to the doubled sum's high
 * word, the right shift. `padding`: a filter row of the input's zero point. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t low;
    int32_t high;
    const int16_t *weights;
    const int32_t *requantization;
    const int8_t *padding;
} conv_2d_s8_dsp_direct_args;

/* Inputs of the first pixel from `first` to `end`, of the second from `second`. */
typedef struct {
    const int8_t *first;
    const int8_t *end;
    const int8_t *second;
} conv_2d_s8_dsp_direct_segment;

/* Two pixels by `blocks` of channels. */
typedef struct {
    const conv_2d_s8_dsp_direct_segment *segments;
    const conv_2d_s8_dsp_direct_segment *segments_end;
    const int16_t *weights;
    const int32_t *requantization;
    int8_t *first;
    int8_t *second;
    const int8_t *first_end;
} conv_2d_s8_dsp_direct_tile;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* A word of weights by the inputs of both pixels. */
#define CONV_2D_S8_DSP_DIRECT_CHANNEL(a, b) \
    "ldr    r12, [r1], #4\n"                \
    "smlad  " a ", r2, r12, " a "\n"        \
    "smlad  " b ", r3, r12, " b "\n"

#define CONV_2D_S8_DSP_DIRECT_CHANNELS         \
    CONV_2D_S8_DSP_DIRECT_CHANNEL("r4", "r8")  \
    CONV_2D_S8_DSP_DIRECT_CHANNEL("r5", "r9")  \
    CONV_2D_S8_DSP_DIRECT_CHANNEL("r6", "r10") \
    CONV_2D_S8_DSP_DIRECT_CHANNEL("r7", "r11")

/* As fixed_point.h's requantize, both pixels at once. */
#define CONV_2D_S8_DSP_DIRECT_RESCALE(a, b) \
    "ldmia  r0!, {r1-r3}\n"                 \
    "asr    " a ", " a ", #7\n"             \
    "asr    " b ", " b ", #7\n"             \
    "add    r12, r2, " a ", asr #31\n"      \
    "add    lr, r2, " b ", asr #31\n"       \
    "smmlar " a ", " a ", r1, r12\n"        \
    "smmlar " b ", " b ", r1, lr\n"         \
    "asr    " a ", " a ", r3\n"             \
    "asr    " b ", " b ", r3\n"             \
    "ssat   " a ", #8, " a "\n"             \
    "ssat   " b ", #8, " b "\n"

/* Registers: r0 and lr the inputs of the two pixels, r1 weights, r4 to r7 the sums of the first pixel, r8 to r11 of the
 * second. On the stack: 0 segment's end, 4 next segment, 8 the tile, 12 weights, 16 requantization, 20 and 24 outputs.
 * The compiler spills where it has fourteen values to hold. Every segment is a multiple of 4 * `words` bytes. */
#define CONV_2D_S8_DSP_DIRECT_RUN(name, words)                                                                         \
    __attribute__((naked, noipa, unused)) static void name(const conv_2d_s8_dsp_direct_tile *tile                      \
                                                           __attribute__((unused))) {                                  \
        __asm__ volatile(                                                                                              \
            "push   {r4-r11, lr}\n"                                                                                    \
            "sub    sp, sp, #28\n"                                                                                     \
            "str    r0, [sp, #8]\n"                                                                                    \
            "add    r0, r0, #8\n"                                                                                      \
            "ldmia  r0, {r1-r4}\n"                                                                                     \
            "strd   r1, r2, [sp, #12]\n"                                                                               \
            "strd   r3, r4, [sp, #20]\n"                                                                               \
            "1:\n"                                                                                                     \
            "ldrd   r1, r2, [sp, #12]\n"                                                                               \
            "ldmia  r2!, {r4-r7}\n"                                                                                    \
            "str    r2, [sp, #16]\n"                                                                                   \
            "mov    r8, r4\n"                                                                                          \
            "mov    r9, r5\n"                                                                                          \
            "mov    r10, r6\n"                                                                                         \
            "mov    r11, r7\n"                                                                                         \
            "ldr    r3, [sp, #8]\n"                                                                                    \
            "ldr    r3, [r3]\n"                                                                                        \
            "2:\n"                                                                                                     \
            "ldmia  r3!, {r0, r2, lr}\n"                                                                               \
            "strd   r2, r3, [sp]\n"                                                                                    \
            "3:\n"                                                                                                     \
            ".rept " #words "\n"                                                                                       \
            "ldr    r2, [r0], #4\n"                                                                                    \
            "ldr    r3, [lr], #4\n"                                                                                    \
            "eor    r2, r2, #0x00800080\n"                                                                             \
            "eor    r3, r3, #0x00800080\n"                                                                             \
            CONV_2D_S8_DSP_DIRECT_CHANNELS                                                                             \
            "uxtb16 r2, r2\n"                                                                                          \
            "uxtb16 r3, r3\n"                                                                                          \
            CONV_2D_S8_DSP_DIRECT_CHANNELS                                                                             \
            ".endr\n"                                                                                                  \
            "ldr    r2, [sp]\n"                                                                                        \
            "cmp    r0, r2\n"                                                                                          \
            "bne    3b\n"                                                                                              \
            "ldrd   r3, r2, [sp, #4]\n"                                                                                \
            "ldr    r2, [r2, #4]\n"                                                                                    \
            "cmp    r3, r2\n"                                                                                          \
            "bne    2b\n"                                                                                              \
            "str    r1, [sp, #12]\n"                                                                                   \
            "ldr    r0, [sp, #16]\n"                                                                                   \
            CONV_2D_S8_DSP_DIRECT_RESCALE("r4", "r8")                                                                  \
            CONV_2D_S8_DSP_DIRECT_RESCALE("r5", "r9")                                                                  \
            CONV_2D_S8_DSP_DIRECT_RESCALE("r6", "r10")                                                                 \
            CONV_2D_S8_DSP_DIRECT_RESCALE("r7", "r11")                                                                 \
            "str    r0, [sp, #16]\n"                                                                                   \
            "ldrd   r0, r1, [sp, #20]\n"                                                                               \
            "strb   r8, [r1]\n"                                                                                        \
            "strb   r9, [r1, #1]\n"                                                                                    \
            "strb   r10, [r1, #2]\n"                                                                                   \
            "strb   r11, [r1, #3]\n"                                                                                   \
            "strb   r4, [r0]\n"                                                                                        \
            "strb   r5, [r0, #1]\n"                                                                                    \
            "strb   r6, [r0, #2]\n"                                                                                    \
            "strb   r7, [r0, #3]\n"                                                                                    \
            "add    r0, r0, #4\n"                                                                                      \
            "add    r1, r1, #4\n"                                                                                      \
            "strd   r0, r1, [sp, #20]\n"                                                                               \
            "ldr    r2, [sp, #8]\n"                                                                                    \
            "ldr    r2, [r2, #24]\n"                                                                                   \
            "cmp    r0, r2\n"                                                                                          \
            "bne    1b\n"                                                                                              \
            "add    sp, sp, #28\n"                                                                                     \
            "pop    {r4-r11, pc}\n");                                                                                  \
    }

CONV_2D_S8_DSP_DIRECT_RUN(conv_2d_s8_dsp_direct_run_4, 1)
CONV_2D_S8_DSP_DIRECT_RUN(conv_2d_s8_dsp_direct_run_16, 4)
/* clang-format on */

#else

SHOAL_INLINE int8_t conv_2d_s8_dsp_direct_rescale(uint32_t sum, const int32_t *r) {
    const int32_t doubled = (int32_t)sum >> 7;
    return saturate_s8(high_mul_add(doubled, r[0], r[1] + (doubled >> 31)) >> r[2]);
}

SHOAL_INLINE uint32_t conv_2d_s8_dsp_direct_product(const int8_t *input, const int16_t *weights) {
    const uint32_t word = load_word(input) ^ UINT32_C(0x00800080);
    const uint32_t even = even_unsigned(word);
    return (uint32_t)((int16_t)word * weights[0]) + (uint32_t)((int16_t)(word >> 16) * weights[1]) +
           (uint32_t)((int16_t)even * weights[8]) + (uint32_t)((int16_t)(even >> 16) * weights[9]);
}

SHOAL_INLINE void conv_2d_s8_dsp_direct_run_4(const conv_2d_s8_dsp_direct_tile *tile) {
    const int16_t *weights = tile->weights;
    const int32_t *r = tile->requantization;
    int8_t *second = tile->second;
    for (int8_t *first = tile->first; first != tile->first_end; first += DIRECT_BLOCK) {
        uint32_t sums[2][DIRECT_BLOCK];
        memcpy(sums[0], r, sizeof sums[0]);
        memcpy(sums[1], r, sizeof sums[1]);
        for (const conv_2d_s8_dsp_direct_segment *s = tile->segments; s != tile->segments_end; ++s) {
            for (int32_t i = 0; i < s->end - s->first; i += 4) {
                for (int32_t c = 0; c < DIRECT_BLOCK; ++c) {
                    sums[0][c] += conv_2d_s8_dsp_direct_product(s->first + i, weights + 2 * c);
                    sums[1][c] += conv_2d_s8_dsp_direct_product(s->second + i, weights + 2 * c);
                }
                weights += 4 * DIRECT_BLOCK;
            }
        }
        for (int32_t c = 0; c < DIRECT_BLOCK; ++c) {
            second[c] = conv_2d_s8_dsp_direct_rescale(sums[1][c], r + 4 + 3 * c);
            first[c] = conv_2d_s8_dsp_direct_rescale(sums[0][c], r + 4 + 3 * c);
        }
        r += 16;
        second += DIRECT_BLOCK;
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_direct_run_16(const conv_2d_s8_dsp_direct_tile *tile) {
    conv_2d_s8_dsp_direct_run_4(tile);
}

#endif

/* Lists the segments of the windows of two pixels that begin at `column` and `next`; returns the list's end. */
SHOAL_INLINE conv_2d_s8_dsp_direct_segment *
conv_2d_s8_dsp_direct_window(conv_2d_s8_dsp_direct_segment *list, const int8_t *image, int32_t top, int32_t column,
                             int32_t next, const int8_t *padding, const conv_2d_s8_dsp_direct_shape *shape) {
    const int32_t reach = (shape->filter_w - 1) * shape->dilation_w;
    const int32_t inside = column >= 0 && next + reach < shape->input_w;
    SHOAL_UNROLL(1)
    for (int32_t y = 0; y < shape->filter_h; ++y) {
        const int32_t row = top + y * shape->dilation_h;
        const int8_t *line = image + row * shape->input_w * shape->input_c;
        if (row < 0 || row >= shape->input_h) {
            list->first = list->second = padding;
            list->end = padding + shape->filter_w * shape->input_c;
            ++list;
        } else if (inside && shape->dilation_w == 1) {
            list->first = line + column * shape->input_c;
            list->second = line + next * shape->input_c;
            list->end = list->first + shape->filter_w * shape->input_c;
            ++list;
        } else {
            SHOAL_UNROLL(1)
            for (int32_t x = 0; x < shape->filter_w; ++x) {
                const int32_t a = column + x * shape->dilation_w, b = next + x * shape->dilation_w;
                list->first = a < 0 || a >= shape->input_w ? padding : line + a * shape->input_c;
                list->second = b < 0 || b >= shape->input_w ? padding : line + b * shape->input_c;
                list->end = list->first + shape->input_c;
                ++list;
            }
        }
    }
    return list;
}

/* One output row of one image; `top` is the image's row under the first row of the filter. */
SHOAL_INLINE void conv_2d_s8_dsp_direct_row(const int8_t *image, int32_t top, int8_t *output,
                                            const conv_2d_s8_dsp_direct_args *args,
                                            const conv_2d_s8_dsp_direct_shape *shape) {
    SHOAL_UNROLL(1)
    for (int32_t x = 0; x < shape->output_w; x += 2) {
        conv_2d_s8_dsp_direct_segment list[DIRECT_TAPS];
        const int32_t column = x * shape->stride_w - shape->pad_left;
        /* an odd last pixel stands for both */
        const int32_t paired = x + 1 < shape->output_w;
        conv_2d_s8_dsp_direct_tile tile = {.segments = list, .weights = args->weights};
        tile.segments_end = conv_2d_s8_dsp_direct_window(
            list, image, top, column, paired ? column + shape->stride_w : column, args->padding, shape);
        tile.requantization = args->requantization;
        tile.first = output + x * shape->output_c;
        tile.second = tile.first + (paired ? shape->output_c : 0);
        tile.first_end = tile.first + shape->output_c;
        if (shape->input_c % 16 == 0) {
            conv_2d_s8_dsp_direct_run_16(&tile);
        } else {
            conv_2d_s8_dsp_direct_run_4(&tile);
        }
        if (shape->clamped) {
            int8_t *values = output + x * shape->output_c;
            for (int32_t i = 0; i < (paired ? 2 : 1) * shape->output_c; ++i) {
                values[i] = (int8_t)clamp(values[i], args->low, args->high);
            }
        }
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_direct(uint8_t *arena, const conv_2d_s8_dsp_direct_args *args,
                                        const conv_2d_s8_dsp_direct_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    SHOAL_UNROLL(1)
    for (int32_t n = 0; n < shape->batches; ++n) {
        SHOAL_UNROLL(1)
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_s8_dsp_direct_row(input, y * shape->stride_h - shape->pad_top, output, args, shape);
            output += shape->output_w * shape->output_c;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
