/* DEPTHWISE_CONV_2D in int8 with a depth multiplier of 1 for cores with Arm's DSP extension: three pixels of a row (two
 * or one where a row's width leaves them) by two channels at a time, straight from the input, without scratch. Filters
 * are 3x3, or one row of 3 to 16 taps; channels come in fours, a word of them per load. From 1.7 (3x3, ReLU) to 3
 * instructions per MAC with all that belongs to it.
 *
 * A load and SXTB16 give a column of channels c and c + 2 (then c + 1 and c + 3), which meets up to three taps, each a
 * halfword pair of weights: SMLABB and SMLATT. Addresses are the row's pointer plus multiples of the channels in a
 * register, so that all sizes share the code of one tile. Columns outside of the image are a constant in the code of a
 * tile at that edge, rows outside point to `padding`. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_DSP_TILE_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_DSP_TILE_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    DEPTHWISE_CONV_2D_S8_DSP_TILE_ROWS = 3,   /* most rows of a filter */
    DEPTHWISE_CONV_2D_S8_DSP_TILE_PIXELS = 3, /* of a tile */
    DEPTHWISE_CONV_2D_S8_DSP_TILE_SHIFT = 11  /* right shift of every channel whose weights are scaled */
};

/* `channels` is a multiple of four; `rows`, `taps`: the filter's height and width, 3 and 3, or 1 and 3 to 16 with a
 * stride of 1 and no columns outside; `scaled`: the form of `stream`; `clamped`: the activation keeps less than int8.
 */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t output_h;
    int32_t output_w;
    int32_t channels;
    int32_t rows;
    int32_t taps;
    int32_t stride_h;
    int32_t stride_w;
    int32_t dilation_h;
    int32_t pad_top;
    int32_t pad_left;
    int32_t scaled;
    int32_t clamped;
} depthwise_conv_2d_s8_dsp_tile_shape;

/* `stream`, of each four channels 0 and 2, then 1 and 3: two biases, a word of two int16 weights per tap, then per
 * channel a multiplier m and an addend. Products are of twice the weights, and biases doubled; the addend is
 * (2 * zero point + 1) << (shift - 1), and a third word the right shift. Where `scaled`, which takes an output zero
 * point of -128, weights and biases are shifted left further, by SHIFT less the channel's right shift, k, from 1 to 7:
 * the addend is 2^(k-1) + 2^(SHIFT-1) - 128 * 2^SHIFT and there is no third word.
 * `padding`: the input's zero point for as many columns as a tile has. */
typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t input_zero_point;
    int32_t low;
    int32_t high;
    const int32_t *stream;
    const int8_t *padding;
} depthwise_conv_2d_s8_dsp_tile_args;

/* `count` tiles of one row. Pointers go on by the steps from the end of a tile to the start of the next. */
typedef struct {
    int8_t *output;
    const int8_t *rows[DEPTHWISE_CONV_2D_S8_DSP_TILE_ROWS];
    int32_t output_step;
    int32_t steps[DEPTHWISE_CONV_2D_S8_DSP_TILE_ROWS];
    int32_t count;
    const int32_t *stream;
    const int32_t *end;
    uint32_t padding; /* the input's zero point twice */
    int32_t channels;
} depthwise_conv_2d_s8_dsp_tile_run;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* The assembler's macros, defined within each function that uses them so that it may go anywhere.
 * Registers: r0 a row or the output, r1 stream, r2, r3, r12 weights or rescaling, r4 to r9 two sums per pixel, r10
 * channels, r11 three times as many, lr the column, and where two are loaded at once r0 or, free below three pixels, r8
 * for the other. Stack: a copy of the run. */
#define DEPTHWISE_CONV_2D_S8_DSP_TILE_MACROS                                                            \
    ".macro dw_use tap, column, even, odd\n"                                                                \
    ".if (\\tap) >= 0 && (\\tap) < dw_taps\n"                                                               \
    ".if (\\tap) % 3 == 0\n"     "smlabb \\even, \\column, r2, \\even\n"  "smlatt \\odd, \\column, r2, \\odd\n" \
    ".elseif (\\tap) % 3 == 1\n" "smlabb \\even, \\column, r3, \\even\n"  "smlatt \\odd, \\column, r3, \\odd\n" \
    ".else\n"                    "smlabb \\even, \\column, r12, \\even\n" "smlatt \\odd, \\column, r12, \\odd\n" \
    ".endif\n" ".endif\n" ".endm\n"                                                                         \
    /* the weights that column dw_j is the first to meet */                                                 \
    ".macro dw_weights\n"                                                                                   \
    ".if dw_j == 0 || (dw_pixels == 1 && dw_j % 3 == 0 && dw_j + 3 <= dw_taps)\n"                           \
    "ldmia r1!, {r2, r3, r12}\n"                                                                            \
    ".elseif dw_j >= 3 && dw_j < dw_taps && (dw_pixels > 1 || dw_j >= dw_taps / 3 * 3)\n"                   \
    ".if dw_j % 3 == 0\n"     "ldr r2, [r1], #4\n"                                                          \
    ".elseif dw_j % 3 == 1\n" "ldr r3, [r1], #4\n"                                                          \
    ".else\n"                 "ldr r12, [r1], #4\n"                                                         \
    ".endif\n" ".endif\n" ".endm\n"                                                                         \
    ".macro dw_load j, column\n"                                                                            \
    ".if (\\j) < dw_left || (\\j) >= dw_columns - dw_right\n"                                               \
    "ldr \\column, [sp, #44]\n"                                                                             \
    ".else\n"                                                                                               \
    ".if dw_at == 5\n"     "add r0, r0, r10, lsl #2\n" ".set dw_at, 1\n" ".endif\n"                         \
    ".if dw_at == 0\n"     "ldr \\column, [r0]\n"                                                           \
    ".elseif dw_at == 1\n" "ldr \\column, [r0, r10]\n"                                                      \
    ".elseif dw_at == 2\n" "ldr \\column, [r0, r10, lsl #1]\n"                                              \
    ".elseif dw_at == 3\n" "ldr \\column, [r0, r11]\n"                                                      \
    ".else\n"              "ldr \\column, [r0, r10, lsl #2]\n" ".endif\n"                                   \
    ".set dw_at, dw_at + 1\n" ".endif\n" ".endm\n"                                                          \
    ".macro dw_multiply column, odd\n"                                                                      \
    ".if dw_j > 0\n" "dw_weights\n" ".endif\n"                                                              \
    ".if dw_j >= dw_left && dw_j < dw_columns - dw_right\n"                                                 \
    ".if \\odd\n" "sxtb16 \\column, \\column, ror #8\n" ".else\n" "sxtb16 \\column, \\column\n" ".endif\n"  \
    ".endif\n"                                                                                              \
    "dw_use dw_j, \\column, r4, r5\n"                                                                       \
    ".if dw_pixels > 1\n" "dw_use dw_j-dw_stride, \\column, r6, r7\n" ".endif\n"                            \
    ".if dw_pixels > 2\n" "dw_use dw_j-2*dw_stride, \\column, r8, r9\n" ".endif\n"                          \
    ".set dw_j, dw_j + 1\n" ".endm\n"                                                                       \
    /* two loads in a row take three cycles, not four */                                                    \
    ".macro dw_two column, odd\n"                                                                           \
    "dw_load dw_j, lr\n"                                                                                    \
    "dw_load dw_j+1, \\column\n"                                                                            \
    "dw_multiply lr, \\odd\n"                                                                               \
    "dw_multiply \\column, \\odd\n" ".endm\n"                                                               \
    ".macro dw_row slot, odd\n"                                                                             \
    ".set dw_j, 0\n" ".set dw_at, 0\n"                                                                      \
    "dw_weights\n"                                                                                          \
    "ldr r0, [sp, #\\slot]\n"                                                                               \
    ".rept dw_columns\n"                                                                                    \
    ".if dw_j == dw_columns - 2\n" "dw_two r0, \\odd\n"                                                     \
    ".elseif dw_pixels < 3 && dw_j < dw_columns - 3\n" "dw_two r8, \\odd\n"                                 \
    ".elseif dw_j < dw_columns\n" "dw_load dw_j, lr\n" "dw_multiply lr, \\odd\n"                            \
    ".endif\n" ".endr\n" ".endm\n"                                                                          \
    /* as fixed_point.h's requantize; where scaled the sum's sign does not matter, as -128 takes all below zero */ \
    ".macro dw_scale sum\n"                                                                             \
    ".if dw_scaled\n"                                                                                   \
    "smmla \\sum, \\sum, r2, r3\n" "ssat \\sum, #8, \\sum, asr #11\n"                                   \
    ".else\n"                                                                                           \
    "add lr, r3, \\sum, asr #31\n" "smmlar \\sum, \\sum, r2, lr\n"                                      \
    "asr \\sum, \\sum, r12\n" "ssat \\sum, #8, \\sum\n"                                                 \
    ".endif\n" ".endm\n"                                                                                \
    ".macro dw_store first, second, third, step\n"                                                      \
    ".if dw_scaled\n" "ldrd r2, r3, [r1], #8\n" ".else\n" "ldmia r1!, {r2, r3, r12}\n" ".endif\n"       \
    ".if dw_pixels > 2\n" "dw_scale \\third\n" "strb \\third, [r0, r10, lsl #1]\n" ".endif\n"           \
    ".if dw_pixels > 1\n" "dw_scale \\second\n" "strb \\second, [r0, r10]\n" ".endif\n"                 \
    "dw_scale \\first\n" "strb \\first, [r0], #\\step\n" ".endm\n"                                      \
    ".macro dw_pair odd\n"                                                                              \
    "ldrd r4, r5, [r1], #8\n"                                                                           \
    ".if dw_pixels > 1\n" "mov r6, r4\n" "mov r7, r5\n" ".endif\n"                                      \
    ".if dw_pixels > 2\n" "mov r8, r4\n" "mov r9, r5\n" ".endif\n"                                      \
    "dw_row 4, \\odd\n"                                                                                 \
    ".if dw_rows == 3\n" "dw_row 8, \\odd\n" "dw_row 12, \\odd\n" ".endif\n"                            \
    "ldr r0, [sp]\n"                                                                                    \
    "dw_store r4, r6, r8, 2\n"                                                                          \
    ".if \\odd\n" "dw_store r5, r7, r9, 1\n"                                                            \
    ".else\n" "dw_store r5, r7, r9, -1\n" "str r0, [sp]\n" ".endif\n" ".endm\n"

#define DEPTHWISE_CONV_2D_S8_DSP_TILE_PURGE                                                                  \
    ".purgem dw_use\n" ".purgem dw_weights\n" ".purgem dw_load\n" ".purgem dw_multiply\n" ".purgem dw_two\n" \
    ".purgem dw_row\n" ".purgem dw_scale\n" ".purgem dw_store\n" ".purgem dw_pair\n"

#define DEPTHWISE_CONV_2D_S8_DSP_TILE_NAME(scaled, rows, taps, stride, pixels, left, right) \
    depthwise_conv_2d_s8_dsp_tile_##scaled##_##rows##x##taps##_##stride##_##pixels##_##left##right

#define DEPTHWISE_CONV_2D_S8_DSP_TILE_DEFINE(scaled, rows, taps, stride, pixels, left, right)         \
    __attribute__((naked, noipa, unused)) static void                                                 \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_NAME(scaled, rows, taps, stride, pixels, left, right)(              \
        const depthwise_conv_2d_s8_dsp_tile_run *run __attribute__((unused))) {                       \
        __asm__ volatile(                                                                             \
            DEPTHWISE_CONV_2D_S8_DSP_TILE_MACROS                                                      \
            ".set dw_scaled, " #scaled "\n"                                                           \
            ".set dw_rows, " #rows "\n"                                                               \
            ".set dw_taps, " #taps "\n"                                                               \
            ".set dw_stride, " #stride "\n"                                                           \
            ".set dw_pixels, " #pixels "\n"                                                           \
            ".set dw_left, " #left "\n"                                                               \
            ".set dw_right, " #right "\n"                                                             \
            ".set dw_columns, (dw_pixels - 1) * dw_stride + dw_taps\n"                                \
            "push {r4-r11, lr}\n"                                                                     \
            "sub sp, sp, #52\n"                                                                       \
            "ldmia r0, {r1-r12, lr}\n"                                                                \
            "stmia sp, {r1-r12, lr}\n"                                                                \
            "mov r1, r10\n"                                                                           \
            "mov r10, lr\n"                                                                           \
            "add r11, r10, r10, lsl #1\n"                                                             \
            "1:\n"                                                                                    \
            "dw_pair 0\n"                                                                             \
            "dw_pair 1\n"                                                                             \
            ".if dw_rows == 3\n"                                                                      \
            "ldmia sp, {r4-r7}\n"                                                                     \
            "adds r5, r5, #4\n"                                                                       \
            "adds r6, r6, #4\n"                                                                       \
            "adds r7, r7, #4\n"                                                                       \
            "stmia sp, {r0, r5-r7}\n"                                                                 \
            ".else\n"                                                                                 \
            "ldr r5, [sp, #4]\n"                                                                      \
            "adds r5, r5, #4\n"                                                                       \
            "strd r0, r5, [sp]\n"                                                                     \
            ".endif\n"                                                                                \
            "ldr r2, [sp, #40]\n"                                                                     \
            "cmp r1, r2\n"                                                                            \
            "bne 1b\n"                                                                                \
            "ldmia sp, {r2-r9}\n"                                                                     \
            "adds r2, r2, r6\n"                                                                       \
            "adds r3, r3, r7\n"                                                                       \
            "add r4, r4, r8\n"                                                                        \
            "add r5, r5, r9\n"                                                                        \
            "stmia sp, {r2-r5}\n"                                                                     \
            "ldrd r0, r1, [sp, #32]\n"                                                                \
            "subs r0, r0, #1\n"                                                                       \
            "str r0, [sp, #32]\n"                                                                     \
            "bne 1b\n"                                                                                \
            "add sp, sp, #52\n"                                                                       \
            "pop {r4-r11, pc}\n"                                                                      \
            DEPTHWISE_CONV_2D_S8_DSP_TILE_PURGE);                                                     \
    }

/* Every tile that there is, in both forms. */
#define DEPTHWISE_CONV_2D_S8_DSP_TILE_FORMS(each, rows, taps, stride, pixels, left, right) \
    each(0, rows, taps, stride, pixels, left, right)                                       \
    each(1, rows, taps, stride, pixels, left, right)
#define DEPTHWISE_CONV_2D_S8_DSP_TILE_EDGES(each, stride, pixels)              \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_FORMS(each, 3, 3, stride, pixels, 0, 0)      \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_FORMS(each, 3, 3, stride, pixels, 0, 1)      \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_FORMS(each, 3, 3, stride, pixels, 1, 0)      \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_FORMS(each, 3, 3, stride, pixels, 1, 1)
#define DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, taps)              \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_FORMS(each, 1, taps, 1, 1, 0, 0)  \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_FORMS(each, 1, taps, 1, 2, 0, 0)  \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_FORMS(each, 1, taps, 1, 3, 0, 0)
#define DEPTHWISE_CONV_2D_S8_DSP_TILE_ALL(each)     \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_EDGES(each, 1, 1) \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_EDGES(each, 1, 2) \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_EDGES(each, 1, 3) \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_EDGES(each, 2, 1) \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_EDGES(each, 2, 2) \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_EDGES(each, 2, 3) \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 3)     \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 4)     \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 5)     \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 6)     \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 7)     \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 8)     \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 9)     \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 10)    \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 11)    \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 12)    \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 13)    \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 14)    \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 15)    \
    DEPTHWISE_CONV_2D_S8_DSP_TILE_LINE(each, 16)

DEPTHWISE_CONV_2D_S8_DSP_TILE_ALL(DEPTHWISE_CONV_2D_S8_DSP_TILE_DEFINE)

#define DEPTHWISE_CONV_2D_S8_DSP_TILE_CALL(scaled_, rows_, taps_, stride_, pixels_, left_, right_)              \
    if (shape->scaled == (scaled_) && shape->rows == (rows_) && shape->taps == (taps_) &&                       \
        shape->stride_w == (stride_) && pixels == (pixels_) && left == (left_) && right == (right_)) {          \
        DEPTHWISE_CONV_2D_S8_DSP_TILE_NAME(scaled_, rows_, taps_, stride_, pixels_, left_, right_)(run);        \
        return;                                                                                                 \
    }

/* Tiles of so many pixels whose windows begin with `left` columns outside of the image and end with `right`. All
 * arguments but `run` are literals where this is instantiated, and one call remains. */
SHOAL_INLINE void depthwise_conv_2d_s8_dsp_tile_run_tiles(const depthwise_conv_2d_s8_dsp_tile_run *run, int32_t pixels,
                                                          int32_t left, int32_t right,
                                                          const depthwise_conv_2d_s8_dsp_tile_shape *shape) {
    DEPTHWISE_CONV_2D_S8_DSP_TILE_ALL(DEPTHWISE_CONV_2D_S8_DSP_TILE_CALL)
}

/* clang-format on */

#else

/* One channel of the pixel whose window begins `start` columns into the rows, negative where columns are missing. */
SHOAL_INLINE uint32_t depthwise_conv_2d_s8_dsp_tile_sum(const depthwise_conv_2d_s8_dsp_tile_run *run,
                                                        const int8_t *const *rows, int32_t start, int32_t columns,
                                                        int32_t channel, int32_t half, const int32_t *stream,
                                                        const depthwise_conv_2d_s8_dsp_tile_shape *shape) {
    uint32_t sum = (uint32_t)stream[half];
    for (int32_t y = 0; y < shape->rows; ++y) {
        for (int32_t x = 0; x < shape->taps; ++x) {
            const int32_t at = start + x;
            const int32_t value =
                at >= 0 && at < columns ? rows[y][at * run->channels + channel] : (int16_t)run->padding;
            const uint32_t pair = (uint32_t)stream[2 + y * shape->taps + x];
            sum += (uint32_t)(value * (int16_t)(half ? pair >> 16 : pair));
        }
    }
    return sum;
}

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_tile_run_tiles(const depthwise_conv_2d_s8_dsp_tile_run *run, int32_t pixels,
                                                          int32_t left, int32_t right,
                                                          const depthwise_conv_2d_s8_dsp_tile_shape *shape) {
    const int32_t columns = (pixels - 1) * shape->stride_w + shape->taps - left - right;
    const int8_t *rows[DEPTHWISE_CONV_2D_S8_DSP_TILE_ROWS];
    int8_t *output = run->output;
    for (int32_t y = 0; y < shape->rows; ++y) {
        rows[y] = run->rows[y];
    }
    for (int32_t tile = 0; tile < run->count; ++tile) {
        const int32_t *stream = run->stream;
        for (int32_t pair = 0; stream != run->end; ++pair) {
            for (int32_t half = 0; half < 2; ++half) {
                const int32_t channel = pair / 2 * 4 + pair % 2 + 2 * half;
                const int32_t *scale = stream + 2 + shape->rows * shape->taps + half * (shape->scaled ? 2 : 3);
                for (int32_t pixel = 0; pixel < pixels; ++pixel) {
                    const int32_t sum = (int32_t)depthwise_conv_2d_s8_dsp_tile_sum(
                        run, rows, pixel * shape->stride_w - left, columns, channel, half, stream, shape);
                    const int64_t product = (int64_t)sum * scale[0];
                    int32_t value;
                    if (shape->scaled) {
                        value = ((int32_t)(product >> 32) + scale[1]) >> DEPTHWISE_CONV_2D_S8_DSP_TILE_SHIFT;
                    } else {
                        value = (int32_t)((product + INT64_C(0x80000000)) >> 32) + scale[1] - (sum < 0);
                        value >>= scale[2];
                    }
                    output[pixel * run->channels + channel] = saturate_s8(value);
                }
            }
            stream += 2 + shape->rows * shape->taps + (shape->scaled ? 4 : 6);
        }
        output += run->channels + run->output_step;
        for (int32_t y = 0; y < shape->rows; ++y) {
            rows[y] += run->channels + run->steps[y];
        }
    }
}

#endif

/* `count` tiles of a row from output pixel `x` on, which goes to `output`. */
SHOAL_INLINE void depthwise_conv_2d_s8_dsp_tile_part(depthwise_conv_2d_s8_dsp_tile_run *run, const int8_t *const *rows,
                                                     int8_t *output, int32_t x, int32_t pixels, int32_t count,
                                                     int32_t left, int32_t right,
                                                     const depthwise_conv_2d_s8_dsp_tile_args *args,
                                                     const depthwise_conv_2d_s8_dsp_tile_shape *shape) {
    const int32_t column = x * shape->stride_w - shape->pad_left;
    run->output = output;
    run->count = count;
    SHOAL_UNROLL(3)
    for (int32_t y = 0; y < shape->rows; ++y) {
        run->rows[y] = rows[y] == NULL ? args->padding : rows[y] + (column < 0 ? 0 : column) * shape->channels;
    }
    depthwise_conv_2d_s8_dsp_tile_run_tiles(run, pixels, left, right, shape);
}

/* One band, see rows.h. */
SHOAL_INLINE void depthwise_conv_2d_s8_dsp_tile_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                     const depthwise_conv_2d_s8_dsp_tile_args *args,
                                                     const depthwise_conv_2d_s8_dsp_tile_shape *shape) {
    const int32_t most = DEPTHWISE_CONV_2D_S8_DSP_TILE_PIXELS;
    const int32_t start = pixels.first;
    const int32_t width = pixels.last - start;
    const int32_t left = start == 0 ? shape->pad_left : 0;
    const int32_t right = (pixels.last - 1) * shape->stride_w - shape->pad_left + shape->taps > shape->input_w;
    const int8_t *lines[DEPTHWISE_CONV_2D_S8_DSP_TILE_ROWS]; /* NULL outside of the image */
    depthwise_conv_2d_s8_dsp_tile_run run;
    run.output_step = (most - 1) * shape->channels;
    SHOAL_UNROLL(3)
    for (int32_t k = 0; k < shape->rows; ++k) {
        const int32_t row = y * shape->stride_h - shape->pad_top + k * shape->dilation_h;
        lines[k] = row >= 0 && row < shape->input_h ? input_row(rows, row) : NULL;
        run.steps[k] = ((lines[k] == NULL ? 0 : most * shape->stride_w) - 1) * shape->channels;
    }
    run.stream = args->stream;
    run.end = args->stream + shape->channels / 2 * (2 + shape->rows * shape->taps + (shape->scaled ? 4 : 6));
    run.padding = (uint32_t)(uint16_t)args->input_zero_point * UINT32_C(0x10001);
    run.channels = shape->channels;
    if (width <= most) {
        depthwise_conv_2d_s8_dsp_tile_part(&run, lines, output, start, width, 1, left, right, args, shape);
    } else {
        /* twos where threes do not make up the row: the last tile, and the first if one pixel more is left */
        const int32_t head = width % most == 1 ? 2 : left ? most : 0;
        const int32_t tail = width % most != 0 ? 2 : right ? most : 0;
        const int32_t middle = (width - head - tail) / most;
        if (head > 0) {
            depthwise_conv_2d_s8_dsp_tile_part(&run, lines, output, start, head, 1, left, 0, args, shape);
        }
        if (middle > 0) {
            depthwise_conv_2d_s8_dsp_tile_part(&run, lines, output + head * shape->channels, start + head, most, middle,
                                               0, 0, args, shape);
        }
        if (tail > 0) {
            depthwise_conv_2d_s8_dsp_tile_part(&run, lines, output + (width - tail) * shape->channels,
                                               pixels.last - tail, tail, 1, 0, right, args, shape);
        }
    }
    if (shape->clamped) {
        for (int32_t i = 0; i < width * shape->channels; ++i) {
            output[i] = (int8_t)clamp(output[i], args->low, args->high);
        }
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_tile(uint8_t *arena, const depthwise_conv_2d_s8_dsp_tile_args *args,
                                                const depthwise_conv_2d_s8_dsp_tile_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w * shape->channels};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            depthwise_conv_2d_s8_dsp_tile_band(&rows, y, (span){0, shape->output_w}, output, args, shape);
            output += shape->output_w * shape->channels;
        }
        input += shape->input_h * shape->input_w * shape->channels;
    }
}

#endif
