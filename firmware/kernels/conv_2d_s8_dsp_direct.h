/* CONV_2D in int8 for cores with Arm's DSP extension, straight from the input: no scratch, no state, so that it serves
 * where RAM is short. Two pixels by four channels, 30 instructions for 32 products, 32 at borders and where the second
 * pixel's distance is none of those below, and about 9 for the rest of each output.
 *
 * Two channels share a stream of halfwords a + 256 * b, a of the first channel and b of the second. Multiplied as they
 * are they sum to A + 256 * B, and their low bytes, sign-extended, to A. The generator takes this kernel only where B
 * stays below 2^23.
 *
 * A window is a list of segments of contiguous input bytes: filter rows, or taps where it leaves the image, which read
 * padding instead. The input's zero point is folded into the bias. */
#ifndef SHOAL_CONV_2D_S8_DSP_DIRECT_H
#define SHOAL_CONV_2D_S8_DSP_DIRECT_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

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

/* `weights`: [block][inputs / 4][inputs 0 and 2, inputs 1 and 3][pair of channels][2] halfwords. `requantization`, 16
 * words per block: where the sums A and A + 256 * B of both pairs start; then for each channel the multiplier, what is
 * added to the doubled sum's high word, the right shift. `padding`: the input's zero point, for a filter row of both
 * pixels. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t low;
    int32_t high;
    const int8_t *weights;
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
    const int8_t *weights;
    const int32_t *requantization;
    int8_t *first;
    int8_t *second;
    const int8_t *first_end;
} conv_2d_s8_dsp_direct_tile;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* Two inputs of both pixels by a pair of channels; `weights` and its low bytes take turns in one register. */
#define CONV_2D_S8_DSP_DIRECT_PAIR(weights, a0, b0, a1, b1) \
    "smlad  " a1 ", r2, " weights ", " a1 "\n"              \
    "smlad  " b1 ", r3, " weights ", " b1 "\n"              \
    "sxtb16 " weights ", " weights "\n"                     \
    "smlad  " a0 ", r2, " weights ", " a0 "\n"              \
    "smlad  " b0 ", r3, " weights ", " b0 "\n"

/* Two inputs by four channels. */
#define CONV_2D_S8_DSP_DIRECT_NEAR_PAIRS                            \
    "ldrd   r12, lr, [r1], #8\n"                                    \
    CONV_2D_S8_DSP_DIRECT_PAIR("r12", "r4", "r8", "r5", "r9")       \
    CONV_2D_S8_DSP_DIRECT_PAIR("lr", "r6", "r10", "r7", "r11")

/* Four inputs, the second pixel's `distance` bytes after the first one's. */
#define CONV_2D_S8_DSP_DIRECT_NEAR(distance)  \
    "ldr    r2, [r0]\n"                       \
    "ldr    r3, [r0, #" #distance "]\n"       \
    "sxtb16 r2, r2\n"                         \
    "sxtb16 r3, r3\n"                         \
    CONV_2D_S8_DSP_DIRECT_NEAR_PAIRS          \
    "ldr    r3, [r0, #" #distance "]\n"       \
    "ldr    r2, [r0], #4\n"                   \
    "sxtb16 r3, r3, ror #8\n"                 \
    "sxtb16 r2, r2, ror #8\n"                 \
    CONV_2D_S8_DSP_DIRECT_NEAR_PAIRS

#define CONV_2D_S8_DSP_DIRECT_FAR_PAIRS                             \
    "ldr    r12, [r1], #4\n"                                        \
    CONV_2D_S8_DSP_DIRECT_PAIR("r12", "r4", "r8", "r5", "r9")       \
    "ldr    r12, [r1], #4\n"                                        \
    CONV_2D_S8_DSP_DIRECT_PAIR("r12", "r6", "r10", "r7", "r11")

/* Four inputs, the second pixel's wherever lr points. */
#define CONV_2D_S8_DSP_DIRECT_FAR       \
    "ldr    r2, [r0]\n"                 \
    "ldr    r3, [lr]\n"                 \
    "sxtb16 r2, r2\n"                   \
    "sxtb16 r3, r3\n"                   \
    CONV_2D_S8_DSP_DIRECT_FAR_PAIRS     \
    "ldr    r2, [r0], #4\n"             \
    "ldr    r3, [lr], #4\n"             \
    "sxtb16 r2, r2, ror #8\n"           \
    "sxtb16 r3, r3, ror #8\n"           \
    CONV_2D_S8_DSP_DIRECT_FAR_PAIRS

/* As fixed_point.h's requantize, both pixels at once; `twice` makes twice the sum. */
#define CONV_2D_S8_DSP_DIRECT_RESCALE(a, b, twice) \
    "ldmia  r0!, {r1-r3}\n"                        \
    twice(a)                                       \
    twice(b)                                       \
    "add    r12, r2, " a ", asr #31\n"             \
    "add    lr, r2, " b ", asr #31\n"              \
    "smmlar " a ", " a ", r1, r12\n"               \
    "smmlar " b ", " b ", r1, lr\n"                \
    "asr    " a ", " a ", r3\n"                    \
    "asr    " b ", " b ", r3\n"                    \
    "ssat   " a ", #8, " a "\n"                    \
    "ssat   " b ", #8, " b "\n"

#define CONV_2D_S8_DSP_DIRECT_OF_A(sum) "lsl " sum ", " sum ", #1\n"
#define CONV_2D_S8_DSP_DIRECT_OF_B(sum) "asr " sum ", " sum ", #7\n"

/* Registers: r0 the inputs of the first pixel, r1 weights, r4 to r7 the sums of the first pixel, r8 to r11 of the
 * second. On the stack: 0 segment's end, 4 next segment, 8 the tile, 12 weights, 16 requantization, 20 and 24 outputs.
 * The compiler spills where it has fourteen values to hold. Every segment is a multiple of `quads` times `quad`. */
#define CONV_2D_S8_DSP_DIRECT_RUN(name, quads, quad)                                                                   \
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
            ".rept " #quads "\n"                                                                                       \
            quad                                                                                                       \
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
            "sub    r5, r5, r4\n"                                                                                      \
            "sub    r9, r9, r8\n"                                                                                      \
            "sub    r7, r7, r6\n"                                                                                      \
            "sub    r11, r11, r10\n"                                                                                   \
            CONV_2D_S8_DSP_DIRECT_RESCALE("r4", "r8", CONV_2D_S8_DSP_DIRECT_OF_A)                                      \
            CONV_2D_S8_DSP_DIRECT_RESCALE("r5", "r9", CONV_2D_S8_DSP_DIRECT_OF_B)                                      \
            CONV_2D_S8_DSP_DIRECT_RESCALE("r6", "r10", CONV_2D_S8_DSP_DIRECT_OF_A)                                     \
            CONV_2D_S8_DSP_DIRECT_RESCALE("r7", "r11", CONV_2D_S8_DSP_DIRECT_OF_B)                                     \
            "str    r0, [sp, #16]\n"                                                                                   \
            "ldrd   r0, r1, [sp, #20]\n"                                                                               \
            "ldr    r2, [sp, #8]\n"                                                                                    \
            "ldr    r2, [r2, #24]\n"                                                                                   \
            "strb   r9, [r1, #1]\n"                                                                                    \
            "strb   r10, [r1, #2]\n"                                                                                   \
            "strb   r11, [r1, #3]\n"                                                                                   \
            "strb   r8, [r1], #4\n"                                                                                    \
            "strb   r5, [r0, #1]\n"                                                                                    \
            "strb   r6, [r0, #2]\n"                                                                                    \
            "strb   r7, [r0, #3]\n"                                                                                    \
            "strb   r4, [r0], #4\n"                                                                                    \
            "strd   r0, r1, [sp, #20]\n"                                                                               \
            "cmp    r0, r2\n"                                                                                          \
            "bne    1b\n"                                                                                              \
            "add    sp, sp, #28\n"                                                                                     \
            "pop    {r4-r11, pc}\n");                                                                                  \
    }

CONV_2D_S8_DSP_DIRECT_RUN(conv_2d_s8_dsp_direct_far_4, 1, CONV_2D_S8_DSP_DIRECT_FAR)
CONV_2D_S8_DSP_DIRECT_RUN(conv_2d_s8_dsp_direct_far_16, 4, CONV_2D_S8_DSP_DIRECT_FAR)
CONV_2D_S8_DSP_DIRECT_RUN(conv_2d_s8_dsp_direct_near_16, 4, CONV_2D_S8_DSP_DIRECT_NEAR(16))
CONV_2D_S8_DSP_DIRECT_RUN(conv_2d_s8_dsp_direct_near_32, 4, CONV_2D_S8_DSP_DIRECT_NEAR(32))
CONV_2D_S8_DSP_DIRECT_RUN(conv_2d_s8_dsp_direct_near_64, 4, CONV_2D_S8_DSP_DIRECT_NEAR(64))
CONV_2D_S8_DSP_DIRECT_RUN(conv_2d_s8_dsp_direct_near_128, 4, CONV_2D_S8_DSP_DIRECT_NEAR(128))
/* clang-format on */

/* Segments are multiples of 16 where `whole`; the second pixel's inputs lie `distance` bytes after the first one's, or
 * anywhere where that is zero. */
SHOAL_INLINE void conv_2d_s8_dsp_direct_run(const conv_2d_s8_dsp_direct_tile *tile, int32_t whole, int32_t distance) {
    if (!whole) {
        conv_2d_s8_dsp_direct_far_4(tile);
    } else if (distance == 16) {
        conv_2d_s8_dsp_direct_near_16(tile);
    } else if (distance == 32) {
        conv_2d_s8_dsp_direct_near_32(tile);
    } else if (distance == 64) {
        conv_2d_s8_dsp_direct_near_64(tile);
    } else if (distance == 128) {
        conv_2d_s8_dsp_direct_near_128(tile);
    } else {
        conv_2d_s8_dsp_direct_far_16(tile);
    }
}

#else

/* Adds four inputs to a pair of sums; their halfwords begin at `weights`. */
SHOAL_INLINE void conv_2d_s8_dsp_direct_add(uint32_t *sums, const int8_t *input, const int8_t *weights) {
    for (int32_t i = 0; i < 4; ++i) {
        const int8_t *halfword = weights + i % 2 * 8 + i / 2 * 2;
        sums[0] += (uint32_t)(input[i] * halfword[0]);
        sums[1] += (uint32_t)(input[i] * (halfword[1] * 256 + (uint8_t)halfword[0]));
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_direct_store(int8_t *output, uint32_t *sums, const int32_t *r) {
    for (int32_t c = 0; c < DIRECT_BLOCK; ++c) {
        const uint32_t b = sums[c] - sums[c & 2];
        const int32_t doubled = c % 2 == 0 ? (int32_t)(sums[c] << 1) : (int32_t)b >> 7;
        output[c] = saturate_s8(high_mul_add(doubled, r[0], r[1] + (doubled >> 31)) >> r[2]);
        r += 3;
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_direct_run(const conv_2d_s8_dsp_direct_tile *tile, int32_t whole, int32_t distance) {
    (void)whole;
    const int8_t *weights = tile->weights;
    const int32_t *r = tile->requantization;
    int8_t *second = tile->second;
    for (int8_t *first = tile->first; first != tile->first_end; first += DIRECT_BLOCK) {
        uint32_t sums[2][DIRECT_BLOCK];
        memcpy(sums[0], r, sizeof sums[0]);
        memcpy(sums[1], r, sizeof sums[1]);
        for (const conv_2d_s8_dsp_direct_segment *s = tile->segments; s != tile->segments_end; ++s) {
            const int8_t *other = distance != 0 ? s->first + distance : s->second;
            for (int32_t i = 0; i < s->end - s->first; i += 4) {
                for (int32_t c = 0; c < DIRECT_BLOCK; c += 2) {
                    conv_2d_s8_dsp_direct_add(sums[0] + c, s->first + i, weights + 2 * c);
                    conv_2d_s8_dsp_direct_add(sums[1] + c, other + i, weights + 2 * c);
                }
                weights += 4 * DIRECT_BLOCK;
            }
        }
        conv_2d_s8_dsp_direct_store(second, sums[1], r + DIRECT_BLOCK);
        conv_2d_s8_dsp_direct_store(first, sums[0], r + DIRECT_BLOCK);
        r += 4 * DIRECT_BLOCK;
        second += DIRECT_BLOCK;
    }
}

#endif

/* Lists the segments of the windows of two pixels that begin at `column` and `next`; returns the list's end. A line is
 * NULL where the row lies outside of the image. */
SHOAL_INLINE conv_2d_s8_dsp_direct_segment *conv_2d_s8_dsp_direct_window(conv_2d_s8_dsp_direct_segment *list,
                                                                         const int8_t *const *lines, int32_t column,
                                                                         int32_t next, const int8_t *padding,
                                                                         const conv_2d_s8_dsp_direct_shape *shape) {
    const int32_t reach = (shape->filter_w - 1) * shape->dilation_w;
    const int32_t inside = column >= 0 && next + reach < shape->input_w;
    SHOAL_UNROLL(1)
    for (int32_t y = 0; y < shape->filter_h; ++y) {
        const int8_t *line = lines[y];
        if (line == NULL) {
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

/* One band, see rows.h. */
SHOAL_INLINE void conv_2d_s8_dsp_direct_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                             const conv_2d_s8_dsp_direct_args *args,
                                             const conv_2d_s8_dsp_direct_shape *shape) {
    const int32_t reach = (shape->filter_w - 1) * shape->dilation_w + shape->stride_w;
    const int8_t *lines[DIRECT_TAPS];
    SHOAL_UNROLL(1)
    for (int32_t k = 0; k < shape->filter_h; ++k) {
        const int32_t row = y * shape->stride_h - shape->pad_top + k * shape->dilation_h;
        lines[k] = row < 0 || row >= shape->input_h ? NULL : input_row(rows, row);
    }
    SHOAL_UNROLL(1)
    for (int32_t x = pixels.first; x < pixels.last; x += 2) {
        conv_2d_s8_dsp_direct_segment list[DIRECT_TAPS];
        const int32_t column = x * shape->stride_w - shape->pad_left;
        /* an odd last pixel stands for both */
        const int32_t paired = x + 1 < pixels.last;
        const int32_t near = paired && shape->dilation_w == 1 && column >= 0 && column + reach < shape->input_w;
        int8_t *values = output + (x - pixels.first) * shape->output_c;
        conv_2d_s8_dsp_direct_tile tile = {.segments = list, .weights = args->weights};
        tile.segments_end = conv_2d_s8_dsp_direct_window(
            list, lines, column, paired ? column + shape->stride_w : column, args->padding, shape);
        tile.requantization = args->requantization;
        tile.first = values;
        tile.second = values + (paired ? shape->output_c : 0);
        tile.first_end = values + shape->output_c;
        conv_2d_s8_dsp_direct_run(&tile, shape->input_c % 16 == 0, near ? shape->stride_w * shape->input_c : 0);
        if (shape->clamped) {
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
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->input_c};
        SHOAL_UNROLL(1)
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_s8_dsp_direct_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->output_c;
        }
        input += shape->input_h * shape->input_w * shape->input_c;
    }
}

#endif
