/* CONV_2D in int8 for cores with Arm's DSP extension: one input channel, filters up to four wide, a horizontal stride
 * of two, negative results all -128. Five pixels by one channel at a time: 9 instructions for a filter row's 20
 * products, 10 for the rest of each output.
 *
 * Every second column of the input makes a sequence e, every second tap a pair (a, b): output i is the sum of
 * a * e[i] + b * e[i + 1] over rows and both sequences. One long multiply makes four such products (Kronecker's
 * substitution, z = 2^21):
 *   (e[i] + e[i + 1] * z) * (b + a * z) = b * e[i] + (a * e[i] + b * e[i + 1]) * z + a * e[i + 1] * z^2
 * In the middle stands output i, outside halves of the outputs i - 1 and i + 1. The generator takes this kernel where
 * every sum stays below 2^20; the two lower fields start at 2^20, so that none borrows from the next. */
#ifndef SHOAL_CONV_2D_S8_DSP_KRONECKER_H
#define SHOAL_CONV_2D_S8_DSP_KRONECKER_H

#include "fixed_point.h"
#include "kernel.h"
#include "rows.h"

enum {
    CONV_2D_S8_DSP_KRONECKER_PIXELS = 5,
    CONV_2D_S8_DSP_KRONECKER_WORDS = 6, /* per filter row: three of each sequence */
    CONV_2D_S8_DSP_KRONECKER_FIELD = 21 /* bits */
};

/* `output_w` is five or more, `filter_h` twelve at most, `filter_w` four. */
typedef struct {
    int32_t batches;
    int32_t input_h;
    int32_t input_w;
    int32_t output_h;
    int32_t output_w;
    int32_t output_c;
    int32_t filter_h;
    int32_t filter_w;
    int32_t stride_h;
    int32_t dilation_h;
    int32_t pad_top;
    int32_t pad_left;
} conv_2d_s8_dsp_kronecker_shape;

/* `weights`, per output channel: b + a * 2^21 of both sequences for each filter row; the bias * 2^11 + 2^31; the
 * multiplier; both roundings' halves and the zero point; the right shift. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    const int32_t *weights;
} conv_2d_s8_dsp_kronecker_args;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* One filter row: three words of each sequence, two of weights; 36 bytes of code. */
#define CONV_2D_S8_DSP_KRONECKER_ROW                                                                                   \
    "ldrd    r5, r12, [r1], #8\n"                                                                                      \
    "ldmia.w r0!, {r2-r4}\n"                                                                                           \
    "smlal   r6, r7, r2, r5\n"                                                                                         \
    "smlal   r8, r9, r3, r5\n"                                                                                         \
    "smlal   r10, r11, r4, r5\n"                                                                                       \
    "ldmia.w r0!, {r2-r4}\n"                                                                                           \
    "smlal   r6, r7, r2, r12\n"                                                                                        \
    "smlal   r8, r9, r3, r12\n"                                                                                        \
    "smlal   r10, r11, r4, r12\n"

/* A middle field, and the highest one with the lowest of the next sum, to 2^11 times the output's sum. */
#define CONV_2D_S8_DSP_KRONECKER_EVEN(output, low, high)                                                               \
    "lsr     " output ", " low ", #21\n"                                                                               \
    "orr     " output ", " output ", " high ", lsl #11\n"                                                              \
    "add     " output ", r2, " output ", lsl #11\n"

#define CONV_2D_S8_DSP_KRONECKER_ODD(output, high, next)                                                               \
    "lsr     " high ", " high ", #10\n"                                                                                \
    "add     " output ", r2, " high ", lsl #11\n"                                                                      \
    "add     " output ", " output ", " next ", lsl #11\n"

#define CONV_2D_S8_DSP_KRONECKER_RESCALE(output)                                                                       \
    "smmla   " output ", " output ", r3, r4\n"                                                                         \
    "asr     " output ", " output ", r5\n"                                                                             \
    "ssat    " output ", #8, " output "\n"

/* Five pixels by the channels from `output` to `end`; `next` bytes from pixel to pixel. Registers: r0 pixels, r1
 * weights, r6 to r11 three sums, lr output. Stack: 0 pixels, 4 where to enter the unrolled rows, 12 end, 52 next, 56
 * rows. */
__attribute__((naked, noipa, aligned(4), unused)) static void
conv_2d_s8_dsp_kronecker_tile(const int32_t *pixels __attribute__((unused)),
                              const int32_t *weights __attribute__((unused)), int8_t *output __attribute__((unused)),
                              const int8_t *end __attribute__((unused)), int32_t next __attribute__((unused)),
                              int32_t rows __attribute__((unused))) {
    __asm__ volatile(
        "push    {r0-r11, lr}\n"
        "mov     lr, r2\n"
        "ldr     r4, [sp, #56]\n"
        "mov     r5, #36\n"
        "adr.w   r6, 3f\n"
        "mls     r4, r4, r5, r6\n"
        "add     r4, r4, #1\n"
        "str     r4, [sp, #4]\n"
        "1:\n"
        "ldr     r0, [sp]\n"
        "mov     r6, #0x100000\n"
        "mov     r7, #0x200\n"
        "mov     r8, r6\n"
        "mov     r9, r7\n"
        "mov     r10, r6\n"
        "mov     r11, r7\n"
        "ldr     pc, [sp, #4]\n"
        ".rept   12\n"
        CONV_2D_S8_DSP_KRONECKER_ROW
        ".endr\n"
        "3:\n"
        "ldmia   r1!, {r2-r5}\n"
        CONV_2D_S8_DSP_KRONECKER_EVEN("r0", "r6", "r7")
        CONV_2D_S8_DSP_KRONECKER_ODD("r6", "r7", "r8")
        CONV_2D_S8_DSP_KRONECKER_EVEN("r7", "r8", "r9")
        CONV_2D_S8_DSP_KRONECKER_ODD("r8", "r9", "r10")
        CONV_2D_S8_DSP_KRONECKER_EVEN("r9", "r10", "r11")
        CONV_2D_S8_DSP_KRONECKER_RESCALE("r0")
        CONV_2D_S8_DSP_KRONECKER_RESCALE("r6")
        CONV_2D_S8_DSP_KRONECKER_RESCALE("r7")
        CONV_2D_S8_DSP_KRONECKER_RESCALE("r8")
        CONV_2D_S8_DSP_KRONECKER_RESCALE("r9")
        "ldr     r2, [sp, #52]\n"
        "ldr     r4, [sp, #12]\n"
        "add     r3, lr, r2\n"
        "strb    r6, [lr, r2]\n"
        "strb    r7, [lr, r2, lsl #1]\n"
        "strb    r8, [r3, r2, lsl #1]\n"
        "strb    r9, [lr, r2, lsl #2]\n"
        "strb    r0, [lr], #1\n"
        "cmp     lr, r4\n"
        "bne     1b\n"
        "add     sp, sp, #16\n"
        "pop     {r4-r11, pc}\n");
}
/* clang-format on */

#else

SHOAL_INLINE int8_t conv_2d_s8_dsp_kronecker_result(uint32_t sum, const int32_t *record) {
    const int64_t scaled = (int32_t)(sum * (1U << (32 - CONV_2D_S8_DSP_KRONECKER_FIELD)) + (uint32_t)record[0]);
    return saturate_s8(((int32_t)((scaled * record[1]) >> 32) + record[2]) >> record[3]);
}

SHOAL_INLINE void conv_2d_s8_dsp_kronecker_tile(const int32_t *pixels, const int32_t *weights, int8_t *output,
                                                const int8_t *end, int32_t next, int32_t rows) {
    const uint64_t start = (UINT64_C(1) << 20) + (UINT64_C(1) << 41);
    for (; output != end; ++output, weights += 2 * rows + 4) {
        uint64_t sums[3] = {start, start, start};
        const int32_t *record = weights + 2 * rows;
        for (int32_t i = 0; i < 2 * rows; ++i) {
            for (int32_t k = 0; k < 3; ++k) {
                sums[k] += (uint64_t)((int64_t)pixels[3 * i + k] * weights[i]);
            }
        }
        for (int32_t k = 0; k < 3; ++k) {
            const uint32_t middle = (uint32_t)(sums[k] >> CONV_2D_S8_DSP_KRONECKER_FIELD);
            output[2 * k * next] = conv_2d_s8_dsp_kronecker_result(middle, record);
            if (k < 2) {
                const uint32_t high = (uint32_t)(sums[k] >> (2 * CONV_2D_S8_DSP_KRONECKER_FIELD));
                output[(2 * k + 1) * next] = conv_2d_s8_dsp_kronecker_result(high + (uint32_t)sums[k + 1], record);
            }
        }
    }
}

#endif

/* The inputs of one filter row, from `column` on: three words of the columns 0, 2, …, three of 1, 3, …. */
SHOAL_INLINE void conv_2d_s8_dsp_kronecker_line(int32_t *target, const int8_t *line, int32_t column, int32_t width,
                                                int32_t zero_point) {
    SHOAL_UNROLL(6)
    for (int32_t i = 0; i < CONV_2D_S8_DSP_KRONECKER_WORDS; ++i) {
        const int32_t low = column + i % 3 * 4 + i / 3;
        const int32_t high = low + 2;
        const int32_t a = low < 0 || low >= width ? zero_point : line[low];
        const int32_t b = high < 0 || high >= width ? zero_point : line[high];
        target[i] = a + b * (1 << CONV_2D_S8_DSP_KRONECKER_FIELD);
    }
}

/* Five pixels of row y from `x` on, or as many of them as lie before `last`. */
SHOAL_INLINE void conv_2d_s8_dsp_kronecker_pixels(const input_rows *rows, int32_t y, int32_t x, int32_t last,
                                                  int8_t *output, int32_t *words,
                                                  const conv_2d_s8_dsp_kronecker_args *args,
                                                  const conv_2d_s8_dsp_kronecker_shape *shape) {
    const int32_t column = 2 * x - shape->pad_left;
    const int32_t reach = 2 * (last - 1) - shape->pad_left + shape->filter_w;
    const int32_t width = reach < shape->input_w ? reach : shape->input_w;
    int32_t *target = words;
    SHOAL_UNROLL(1)
    for (int32_t k = 0; k < shape->filter_h; ++k) {
        const int32_t row = y * shape->stride_h - shape->pad_top + k * shape->dilation_h;
        if (row < 0 || row >= shape->input_h) {
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < CONV_2D_S8_DSP_KRONECKER_WORDS; ++i) {
                target[i] = args->input_zero_point * ((1 << CONV_2D_S8_DSP_KRONECKER_FIELD) + 1);
            }
        } else {
            conv_2d_s8_dsp_kronecker_line(target, input_row(rows, row), column, width, args->input_zero_point);
        }
        target += CONV_2D_S8_DSP_KRONECKER_WORDS;
    }
    if (last - x >= CONV_2D_S8_DSP_KRONECKER_PIXELS) {
        conv_2d_s8_dsp_kronecker_tile(words, args->weights, output, output + shape->output_c, shape->output_c,
                                      shape->filter_h);
        return;
    }
    const int32_t *weights = args->weights;
    for (int32_t c = 0; c < shape->output_c; ++c) {
        int8_t values[CONV_2D_S8_DSP_KRONECKER_PIXELS];
        conv_2d_s8_dsp_kronecker_tile(words, weights, values, values + 1, 1, shape->filter_h);
        for (int32_t i = 0; i < last - x; ++i) {
            output[i * shape->output_c + c] = values[i];
        }
        weights += 2 * shape->filter_h + 4;
    }
}

/* One band, see rows.h. What five does not divide is computed twice. */
SHOAL_INLINE void conv_2d_s8_dsp_kronecker_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                                void *scratch, const conv_2d_s8_dsp_kronecker_args *args,
                                                const conv_2d_s8_dsp_kronecker_shape *shape) {
    const int32_t step = CONV_2D_S8_DSP_KRONECKER_PIXELS;
    const int32_t last = pixels.last - pixels.first < step ? pixels.first : pixels.last - step;
    for (int32_t x = pixels.first; x < pixels.last; x += step) {
        const int32_t start = x < last ? x : last;
        conv_2d_s8_dsp_kronecker_pixels(rows, y, start, pixels.last, output + (start - pixels.first) * shape->output_c,
                                        (int32_t *)scratch, args, shape);
    }
}

SHOAL_INLINE void conv_2d_s8_dsp_kronecker(uint8_t *arena, const conv_2d_s8_dsp_kronecker_args *args,
                                           const conv_2d_s8_dsp_kronecker_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const input_rows rows = {.base = input, .pitch = shape->input_w};
        for (int32_t y = 0; y < shape->output_h; ++y) {
            conv_2d_s8_dsp_kronecker_band(&rows, y, (span){0, shape->output_w}, output, arena + args->scratch, args,
                                          shape);
            output += shape->output_w * shape->output_c;
        }
        input += shape->input_h * shape->input_w;
    }
}

#endif
