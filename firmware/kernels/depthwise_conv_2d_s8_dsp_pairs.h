/* DEPTHWISE_CONV_2D in int8 with a depth multiplier of 1 for cores with Arm's DSP extension: 3x3 filters, strides of 1,
 * an output zero point of -128. Two rows by two pixels of a channel at a time, from rows packed into scratch: 24
 * multiplications for 36 products and 24 instructions for the rest of a tile, 1.3 per MAC; 0.2 to pack.
 *
 * Two input rows, one over the other, make words of a halfword each. A column of three taps meets the pair over the
 * pair under it: outputs of the upper row are upper * (w0, w1) by SMLAD and the lower pair's first * w2 by SMLABT,
 * outputs of the lower row are the upper pair's second * w0 by SMLATB and lower * (w1, w2) by SMLAD. A pair is packed
 * once and is first the lower, then the upper one.
 *
 * Scratch holds, of each four channels, chunks of two columns: of each channel both columns of the one pair, then of
 * the other. Which is upper alternates from strip to strip, so that all addresses are constants from one pointer. */
#ifndef SHOAL_DEPTHWISE_CONV_2D_S8_DSP_PAIRS_H
#define SHOAL_DEPTHWISE_CONV_2D_S8_DSP_PAIRS_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"

enum {
    DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK = 16, /* words: two columns of four channels, two pairs each */
    DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RECORD = 9, /* words of the stream per channel */
    DEPTHWISE_CONV_2D_S8_DSP_PAIRS_SHIFT = 11  /* right shift of every channel */
};

/* One image; `channels` is a multiple of four, `output_w` two or more and `input_w` at most; at most one row or column
 * is outside on each side. */
typedef struct {
    int32_t input_h;
    int32_t input_w;
    int32_t output_h;
    int32_t output_w;
    int32_t channels;
    int32_t pad_top;
    int32_t pad_left;
} depthwise_conv_2d_s8_dsp_pairs_shape;

/* `stream`, per channel: of each of the three columns the int16 weights (w0, w1) and (w1, w2), the bias, the multiplier
 * and the addend, as depthwise_conv_2d_s8_dsp_tile.h's scaled form has them. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    const int32_t *stream;
} depthwise_conv_2d_s8_dsp_pairs_args;

/* Two rows of output, `pitch` bytes apart, or one where that is 0. `tiles`: of two pixels in bytes of packed input;
 * `odd`: the row has one pixel more; `gap`: bytes from the end of a quad's tiles to the next quad. */
typedef struct {
    const uint32_t *packed;
    const int32_t *stream;
    const int32_t *end;
    int8_t *output;
    int32_t channels;
    int32_t pitch;
    int32_t tiles;
    int32_t odd;
    int32_t gap;
} depthwise_conv_2d_s8_dsp_pairs_run;

/* How to pack a row. `before`: whether a column outside comes first; then `pairs` of columns; `after`: whether one is
 * left. `back`: bytes from behind a row's end to the next quad in it; `ahead`: bytes from the last whole chunk's end to
 * the next quad's chunks. */
typedef struct {
    int32_t channels;
    int32_t before;
    int32_t pairs;
    int32_t after;
    int32_t back;
    int32_t ahead;
    int32_t quads;
} depthwise_conv_2d_s8_dsp_pairs_line;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* One column of four channels, `at` bytes into a chunk. */
#define DEPTHWISE_CONV_2D_S8_DSP_PAIRS_COLUMN(at) \
    "ldr     r4, [r1]\n"                          \
    "ldr     r5, [r2]\n"                          \
    "add     r1, r1, r3\n"                        \
    "add     r2, r2, r3\n"                        \
    "sxtb16  r6, r4\n"                            \
    "sxtb16  r7, r5\n"                            \
    "pkhbt   r8, r6, r7, lsl #16\n"               \
    "pkhtb   r9, r7, r6, asr #16\n"               \
    "str     r8, [r0, #" #at "]\n"                \
    "str     r9, [r0, #32+" #at "]\n"             \
    "sxtb16  r6, r4, ror #8\n"                    \
    "sxtb16  r7, r5, ror #8\n"                    \
    "pkhbt   r8, r6, r7, lsl #16\n"               \
    "pkhtb   r9, r7, r6, asr #16\n"               \
    "str     r8, [r0, #16+" #at "]\n"             \
    "str     r9, [r0, #48+" #at "]\n"

/* Two rows as pairs: 28 instructions for two columns of four channels. Registers: r0 chunks, r1 and r2 the rows, r3
 * channels, lr pairs of columns left. Stack: the line from `before` on. */
__attribute__((naked, noipa, unused)) static void
depthwise_conv_2d_s8_dsp_pairs_pack(uint32_t *target __attribute__((unused)),
                                    const int8_t *first __attribute__((unused)),
                                    const int8_t *second __attribute__((unused)),
                                    const depthwise_conv_2d_s8_dsp_pairs_line *line __attribute__((unused))) {
    __asm__ volatile(
        "push    {r4-r11, lr}\n"
        "sub     sp, sp, #28\n"
        "ldmia   r3, {r3-r9}\n"
        "stmia   sp, {r4-r9}\n"
        "1:\n"
        "ldrd    r4, lr, [sp]\n"
        "cbz     r4, 2f\n"
        DEPTHWISE_CONV_2D_S8_DSP_PAIRS_COLUMN(4)
        "add     r0, r0, #64\n"
        "2:\n"
        "cmp     lr, #0\n"
        "beq     4f\n"
        "3:\n"
        "ldr     r4, [r1]\n"
        "ldr     r6, [r1, r3]\n"
        "ldr     r5, [r2]\n"
        "ldr     r7, [r2, r3]\n"
        "add     r1, r1, r3, lsl #1\n"
        "add     r2, r2, r3, lsl #1\n"
        "sxtb16  r8, r4\n"
        "sxtb16  r9, r5\n"
        "sxtb16  r10, r6\n"
        "sxtb16  r11, r7\n"
        "pkhbt   r12, r8, r9, lsl #16\n"
        "pkhtb   r9, r9, r8, asr #16\n"
        "pkhbt   r8, r10, r11, lsl #16\n"
        "pkhtb   r11, r11, r10, asr #16\n"
        "strd    r9, r11, [r0, #32]\n"
        "strd    r12, r8, [r0], #16\n"
        "sxtb16  r4, r4, ror #8\n"
        "sxtb16  r5, r5, ror #8\n"
        "sxtb16  r6, r6, ror #8\n"
        "sxtb16  r7, r7, ror #8\n"
        "pkhbt   r8, r4, r5, lsl #16\n"
        "pkhtb   r5, r5, r4, asr #16\n"
        "pkhbt   r9, r6, r7, lsl #16\n"
        "pkhtb   r7, r7, r6, asr #16\n"
        "strd    r5, r7, [r0, #32]\n"
        "strd    r8, r9, [r0], #48\n"
        "subs    lr, lr, #1\n"
        "bne     3b\n"
        "4:\n"
        "ldr     r4, [sp, #8]\n"
        "cbz     r4, 5f\n"
        DEPTHWISE_CONV_2D_S8_DSP_PAIRS_COLUMN(0)
        "5:\n"
        "ldrd    r4, r5, [sp, #12]\n"
        "ldr     r6, [sp, #20]\n"
        "add     r1, r1, r4\n"
        "add     r2, r2, r4\n"
        "add     r0, r0, r5\n"
        "subs    r6, r6, #1\n"
        "str     r6, [sp, #20]\n"
        "bne     1b\n"
        "add     sp, sp, #28\n"
        "pop     {r4-r11, pc}\n");
}

/* A column of the upper pair, or the lower one, for both rows. */
#define DEPTHWISE_CONV_2D_S8_DSP_PAIRS_UPPER(column, weights, from, first, second) \
    "smlad   r" #first ", " column ", " weights ", r" #from "\n"                   \
    "smlatb  r" #second ", " column ", " weights ", r" #from "\n"
#define DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_UPPER(column, weights, first, second) \
    "smlad   r" #first ", " column ", " weights ", r" #first "\n"                \
    "smlatb  r" #second ", " column ", " weights ", r" #second "\n"
#define DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER(column, weights, first, second) \
    "smlabt  r" #first ", " column ", " weights ", r" #first "\n"                \
    "smlad   r" #second ", " column ", " weights ", r" #second "\n"
#define DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RESCALE(sum) \
    "smmla   " sum ", " sum ", r8, r9\n"            \
    "ssat    " sum ", #8, " sum ", asr #11\n"

/* Strips where the upper pair lies `upper` bytes into a channel's words, the lower one `lower`.
 * Registers: r0 to r3 the sums of both rows of the first pixel, of both of the second; r4 to r9 weights; r10, r11
 * columns; r12 packed input, lr output. Stack: 0 multiplier, addend, channels, pitch; 16 the last column's weights; 24
 * the tiles' end; 28 bias; 32 stream; 36 tiles, odd, gap; 48 the end of this quad's stream, 52 of all. */
#define DEPTHWISE_CONV_2D_S8_DSP_PAIRS_DEFINE(name, upper, lower)                                   \
    __attribute__((naked, noipa, unused)) static void name(                                        \
        const depthwise_conv_2d_s8_dsp_pairs_run *run __attribute__((unused))) {                    \
        __asm__ volatile(                                                                           \
            "push    {r4-r11, lr}\n"                                                                \
            "sub     sp, sp, #60\n"                                                                 \
            "ldmia   r0, {r1-r9}\n"                                                                 \
            "mov     r12, r1\n"                                                                     \
            "mov     lr, r4\n"                                                                      \
            "strd    r5, r6, [sp, #8]\n"                                                            \
            "add     r10, sp, #36\n"                                                                \
            "stmia   r10, {r7-r9}\n"                                                                \
            "str     r3, [sp, #52]\n"                                                               \
            "mov     r0, r2\n"                                                                      \
            "4:\n"                                                                                  \
            "add     r1, r0, #144\n"                                                                \
            "str     r1, [sp, #48]\n"                                                               \
            "1:\n"                                                                                  \
            "ldmia   r0!, {r4-r9}\n"                                                                \
            "ldmia   r0!, {r1-r3}\n"                                                                \
            "ldr     r10, [sp, #36]\n"                                                              \
            "strd    r2, r3, [sp]\n"                                                                \
            "add     r10, r10, r12\n"                                                               \
            "strd    r8, r9, [sp, #16]\n"                                                           \
            "mov     r3, r1\n"                                                                      \
            "strd    r10, r1, [sp, #24]\n"                                                          \
            "str     r0, [sp, #32]\n"                                                               \
            "b       3f\n"                                                                          \
            "2:\n"                                                                                  \
            "ldrd    r8, r9, [sp, #16]\n"                                                           \
            "ldr     r3, [sp, #28]\n"                                                               \
            "3:\n"                                                                                  \
            "ldrd    r10, r11, [r12, #" #upper "]\n"                                                \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_UPPER("r10", "r4", 3, 0, 1)                              \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_UPPER("r11", "r6", 0, 1)                             \
            "smlad   r2, r11, r4, r3\n"                                                             \
            "smlatb  r3, r11, r4, r3\n"                                                             \
            "ldrd    r10, r11, [r12, #" #lower "]\n"                                                \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r10", "r5", 0, 1)                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r11", "r7", 0, 1)                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r11", "r5", 2, 3)                             \
            "ldrd    r10, r11, [r12, #64+" #upper "]\n"                                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_UPPER("r10", "r8", 0, 1)                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_UPPER("r10", "r6", 2, 3)                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_UPPER("r11", "r8", 2, 3)                             \
            "ldrd    r10, r11, [r12, #64+" #lower "]\n"                                             \
            "add     r12, r12, #64\n"                                                               \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r10", "r9", 0, 1)                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r10", "r7", 2, 3)                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r11", "r9", 2, 3)                             \
            "ldmia   sp, {r8-r11}\n"                                                                \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RESCALE("r1")                                            \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RESCALE("r3")                                            \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RESCALE("r0")                                            \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RESCALE("r2")                                            \
            /* the lower row first: where it is no other one, it is overwritten */                  \
            "strb    r1, [lr, r11]\n"                                                               \
            "strb    r0, [lr]\n"                                                                    \
            "add     lr, lr, r10\n"                                                                 \
            "strb    r3, [lr, r11]\n"                                                               \
            "strb    r2, [lr]\n"                                                                    \
            "add     lr, lr, r10\n"                                                                 \
            "ldr     r0, [sp, #24]\n"                                                               \
            "cmp     r12, r0\n"                                                                     \
            "bne     2b\n"                                                                          \
            "ldrd    r1, r2, [sp, #36]\n"                                                           \
            "cbz     r2, 5f\n"                                                                      \
            "ldrd    r8, r9, [sp, #16]\n"                                                           \
            "ldr     r3, [sp, #28]\n"                                                               \
            "ldrd    r10, r11, [r12, #" #upper "]\n"                                                \
            "smlad   r0, r10, r4, r3\n"                                                             \
            "smlatb  r3, r10, r4, r3\n"                                                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_UPPER("r11", "r6", 0, 3)                             \
            "ldrd    r10, r11, [r12, #" #lower "]\n"                                                \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r10", "r5", 0, 3)                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r11", "r7", 0, 3)                             \
            "ldr     r10, [r12, #64+" #upper "]\n"                                                  \
            "ldr     r11, [r12, #64+" #lower "]\n"                                                  \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_UPPER("r10", "r8", 0, 3)                             \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_ADD_LOWER("r11", "r9", 0, 3)                             \
            "ldmia   sp, {r8-r11}\n"                                                                \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RESCALE("r3")                                            \
            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RESCALE("r0")                                            \
            "strb    r3, [lr, r11]\n"                                                               \
            "strb    r0, [lr]\n"                                                                    \
            "5:\n"                                                                                  \
            /* the next channel: back over tiles / 32 pixels */                                     \
            "lsrs    r2, r1, #5\n"                                                                  \
            "mls     lr, r2, r10, lr\n"                                                             \
            "add     lr, lr, #1\n"                                                                  \
            "sub     r12, r12, r1\n"                                                                \
            "add     r12, r12, #16\n"                                                               \
            "ldr     r0, [sp, #32]\n"                                                               \
            "ldrd    r2, r3, [sp, #48]\n"                                                           \
            "cmp     r0, r2\n"                                                                      \
            "bne     1b\n"                                                                          \
            "ldr     r1, [sp, #44]\n"                                                               \
            "add     r12, r12, r1\n"                                                                \
            "cmp     r0, r3\n"                                                                      \
            "bne     4b\n"                                                                          \
            "add     sp, sp, #60\n"                                                                 \
            "pop     {r4-r11, pc}\n");                                                              \
    }

DEPTHWISE_CONV_2D_S8_DSP_PAIRS_DEFINE(depthwise_conv_2d_s8_dsp_pairs_strip_0, 0, 8)
DEPTHWISE_CONV_2D_S8_DSP_PAIRS_DEFINE(depthwise_conv_2d_s8_dsp_pairs_strip_1, 8, 0)

/* clang-format on */

/* `upper`: which pair of a channel's words is the upper one, 0 or 1. */
SHOAL_INLINE void depthwise_conv_2d_s8_dsp_pairs_strip(const depthwise_conv_2d_s8_dsp_pairs_run *run, int32_t upper) {
    if (upper == 0) {
        depthwise_conv_2d_s8_dsp_pairs_strip_0(run);
    } else {
        depthwise_conv_2d_s8_dsp_pairs_strip_1(run);
    }
}

#else

/* One column of four channels, one row over the other. */
SHOAL_INLINE void depthwise_conv_2d_s8_dsp_pairs_column(uint32_t *target, const int8_t *first, const int8_t *second) {
    for (int32_t c = 0; c < 4; ++c) {
        target[4 * c] = (uint16_t)first[c] | (uint32_t)(uint16_t)second[c] << 16;
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_pairs_pack(uint32_t *target, const int8_t *first, const int8_t *second,
                                                      const depthwise_conv_2d_s8_dsp_pairs_line *line) {
    for (int32_t q = 0; q < line->quads; ++q) {
        const int32_t columns = line->before + 2 * line->pairs + line->after;
        for (int32_t x = line->before; x < columns + line->before; ++x) {
            depthwise_conv_2d_s8_dsp_pairs_column(target + x / 2 * DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK + x % 2, first,
                                                  second);
            first += line->channels;
            second += line->channels;
        }
        first += line->back;
        second += line->back;
        target += (line->before + line->pairs) * DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK + line->ahead / 4;
    }
}

SHOAL_INLINE int32_t depthwise_conv_2d_s8_dsp_pairs_half(uint32_t pair, int32_t half) {
    return (int16_t)(pair >> (16 * half));
}

/* One channel of one pixel of a row, 0 or 1; `column` words into the channel's columns of the strip. */
SHOAL_INLINE int8_t depthwise_conv_2d_s8_dsp_pairs_result(const uint32_t *packed, const int32_t *record, int32_t row,
                                                          int32_t column, int32_t upper) {
    uint32_t sum = (uint32_t)record[6];
    for (int32_t x = column; x < column + 3; ++x) {
        const uint32_t *pairs = packed + x / 2 * DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK + x % 2;
        for (int32_t k = 0; k < 3; ++k) {
            const int32_t slot = row + k < 2 ? upper : 1 - upper;
            const uint32_t weights = (uint32_t)record[2 * (x - column) + (k == 2)];
            const int32_t value = depthwise_conv_2d_s8_dsp_pairs_half(pairs[2 * slot], (row + k) % 2);
            sum += (uint32_t)(value * depthwise_conv_2d_s8_dsp_pairs_half(weights, k > 0));
        }
    }
    const int32_t scaled = (int32_t)(((int64_t)(int32_t)sum * record[7]) >> 32);
    return saturate_s8((scaled + record[8]) >> DEPTHWISE_CONV_2D_S8_DSP_PAIRS_SHIFT);
}

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_pairs_strip(const depthwise_conv_2d_s8_dsp_pairs_run *run, int32_t upper) {
    const int32_t *record = run->stream;
    const uint32_t *packed = run->packed;
    const int32_t pixels = run->tiles / 32 + run->odd;
    for (int32_t c = 0; c < run->channels; ++c, record += DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RECORD) {
        for (int32_t i = 0; i < 2 * pixels; ++i) {
            const int32_t row = i < pixels ? 1 : 0;
            const int32_t x = i % pixels;
            run->output[row * run->pitch + x * run->channels + c] =
                depthwise_conv_2d_s8_dsp_pairs_result(packed + c % 4 * 4, record, row, x, upper);
        }
        packed += c % 4 == 3 ? (run->gap + 64) / 4 : 0;
    }
}

#endif

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_pairs_fill(uint32_t *target, int32_t words, uint32_t value) {
    SHOAL_UNROLL(8)
    for (int32_t i = 0; i < words; ++i) {
        target[i] = value;
    }
}

SHOAL_INLINE void depthwise_conv_2d_s8_dsp_pairs(uint8_t *arena, const depthwise_conv_2d_s8_dsp_pairs_args *args,
                                                 const depthwise_conv_2d_s8_dsp_pairs_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    uint32_t *packed = (uint32_t *)(void *)(arena + args->scratch);
    const int32_t channels = shape->channels;
    const int32_t chunks = (shape->output_w + 3) / 2;
    const int32_t quad = chunks * DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK;
    const int32_t row = shape->input_w * channels;
    const uint32_t zero_point = (uint32_t)(uint8_t)args->input_zero_point;
    uint32_t *padding = packed + channels / 4 * quad;
    /* a row outside of the image, then the columns beside it, which stay as they are */
    depthwise_conv_2d_s8_dsp_pairs_fill(padding, row / 4, zero_point * UINT32_C(0x01010101));
    for (int32_t c = 0; c < channels; c += 4) {
        uint32_t *first = packed + c / 4 * quad;
        const uint32_t pair = (uint32_t)(uint16_t)args->input_zero_point * UINT32_C(0x10001);
        if (shape->pad_left) {
            depthwise_conv_2d_s8_dsp_pairs_fill(first, DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK, pair);
        }
        depthwise_conv_2d_s8_dsp_pairs_fill(first + quad - DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK,
                                            DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK, pair);
    }
    depthwise_conv_2d_s8_dsp_pairs_run run = {.stream = args->stream};
    run.packed = packed;
    run.end = args->stream + channels * DEPTHWISE_CONV_2D_S8_DSP_PAIRS_RECORD;
    run.output = (int8_t *)(arena + args->output);
    run.channels = channels;
    run.pitch = shape->output_w * channels;
    run.tiles = shape->output_w / 2 * DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK * 4;
    run.odd = shape->output_w % 2;
    run.gap = (quad - DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK) * 4;
    depthwise_conv_2d_s8_dsp_pairs_line line = {.channels = channels};
    line.before = shape->pad_left;
    line.pairs = (shape->input_w - shape->pad_left) / 2;
    line.after = (shape->input_w - shape->pad_left) % 2;
    line.back = 4 - row;
    line.ahead = (chunks - line.before - line.pairs) * DEPTHWISE_CONV_2D_S8_DSP_PAIRS_CHUNK * 4;
    line.quads = channels / 4;
    /* strip y needs the rows from y - pad_top on: the pair before it, and the pair packed here */
    SHOAL_UNROLL(1)
    for (int32_t y = -2; y < shape->output_h; y += 2) {
        const int32_t first = y + 2 - shape->pad_top;
        const int32_t slot = y / 2 & 1;
        const int8_t *lines[2];
        SHOAL_UNROLL(2)
        for (int32_t k = 0; k < 2; ++k) {
            const int32_t at = first + k;
            lines[k] = at >= 0 && at < shape->input_h ? input + at * row : (const int8_t *)padding;
        }
        depthwise_conv_2d_s8_dsp_pairs_pack(packed + 2 * slot, lines[0], lines[1], &line);
        if (y >= 0) {
            if (y + 1 == shape->output_h) {
                run.pitch = 0;
            }
            depthwise_conv_2d_s8_dsp_pairs_strip(&run, 1 - slot);
            run.output += 2 * shape->output_w * channels;
        }
    }
}

#endif
