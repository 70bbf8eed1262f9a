/* FULLY_CONNECTED in int8 for cores with Arm's DSP extension: each row is unpacked to 16 bits into scratch once, then
 * all outputs are computed from there, four at a time, as two pairs of channels whose weights share halfwords (see
 * conv_2d_s8_dsp.h): 27 instructions for 32 products.
 *
 * A row is filled up to a multiple of 8 with zeros. Four inputs lie in the order 0, 2, 1, 3, which is how words of
 * bytes unpack. Zero points are folded into the bias. */
#ifndef SHOAL_FULLY_CONNECTED_S8_DSP_UNPACKED_H
#define SHOAL_FULLY_CONNECTED_S8_DSP_UNPACKED_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"

/* `clamped`: the activation keeps less than int8. */
typedef struct {
    int32_t batches;
    int32_t input_c;
    int32_t output_c;
    int32_t clamped;
} fully_connected_s8_dsp_unpacked_shape;

/* `weights`, per four channels A, B, C, D: the biases A, A + 256 * B, C, C + 256 * D; per four inputs a word of the
 * inputs 0 and 2 for A and B, one for C and D, then the same for the inputs 1 and 3; four multipliers; four right
 * shifts - 1 in bytes. `offset` is 2 * zero point + 1. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int32_t *weights;
} fully_connected_s8_dsp_unpacked_args;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* Two inputs that lie in `x`, with the weights `ab` and `cd`. */
#define FULLY_CONNECTED_S8_DSP_UNPACKED_PAIR(x, ab, cd)                                                                \
    "smlad   r11, " x ", " ab ", r11\n"                                                                                \
    "sxtb16  " ab ", " ab "\n"                                                                                         \
    "smlad   lr, " x ", " cd ", lr\n"                                                                                  \
    "sxtb16  " cd ", " cd "\n"                                                                                         \
    "smlad   r10, " x ", " ab ", r10\n"                                                                                \
    "smlad   r12, " x ", " cd ", r12\n"

/* Eight inputs; 108 bytes of code. */
#define FULLY_CONNECTED_S8_DSP_UNPACKED_EIGHT                                                                          \
    "ldmia.w r0!, {r2-r5}\n"                                                                                           \
    "ldmia.w r1!, {r6-r9}\n"                                                                                           \
    FULLY_CONNECTED_S8_DSP_UNPACKED_PAIR("r2", "r6", "r7")                                                             \
    FULLY_CONNECTED_S8_DSP_UNPACKED_PAIR("r3", "r8", "r9")                                                             \
    "ldmia.w r1!, {r6-r9}\n"                                                                                           \
    FULLY_CONNECTED_S8_DSP_UNPACKED_PAIR("r4", "r6", "r7")                                                             \
    FULLY_CONNECTED_S8_DSP_UNPACKED_PAIR("r5", "r8", "r9")

/* As fixed_point.h's requantize of twice the sum, then the next channel's shift. */
#define FULLY_CONNECTED_S8_DSP_UNPACKED_STORE(sum, multiplier)                                                         \
    "lsl     r8, r7, r6\n"                                                                                             \
    "add     r8, r8, " sum ", asr #31\n"                                                                               \
    "smmlar  " sum ", " sum ", " multiplier ", r8\n"                                                                   \
    "asr     " sum ", " sum ", r6\n"                                                                                   \
    "ssat    " sum ", #8, " sum ", asr #1\n"                                                                           \
    "strb    " sum ", [r0], #1\n"                                                                                      \
    "lsr     r6, r6, #8\n"

/* One row, unpacked from `row` to `last`, by the channels from `output` to `end`, a multiple of four. Returns the
 * weights that follow. Registers: r0 row, r1 weights, r10 to lr the sums A, A + 256 * B, C, C + 256 * D; none is left
 * to count with, as in conv_2d_s8_dsp_2x4.h. Stack: 0 row, 4 where to enter, 8 output, 12 end, 52 last, 56 offset. */
__attribute__((naked, noipa, aligned(4), unused)) static const int32_t *
fully_connected_s8_dsp_unpacked_run(const int16_t *row __attribute__((unused)),
                                    const int32_t *weights __attribute__((unused)),
                                    int8_t *output __attribute__((unused)), const int8_t *end __attribute__((unused)),
                                    const int16_t *last __attribute__((unused)),
                                    int32_t offset __attribute__((unused))) {
    __asm__ volatile(
        "push    {r0-r11, lr}\n"
        "ldr     r4, [sp, #52]\n"
        "sub     r4, r4, r0\n"
        "lsr     r4, r4, #4\n"
        "sub     r4, r4, #1\n"
        "and     r4, r4, #7\n"
        "mvn     r4, r4\n"
        "mov     r5, #108\n"
        "adr.w   r6, 3f\n"
        "mla     r4, r4, r5, r6\n"
        "add     r4, r4, #1\n"
        "str     r4, [sp, #4]\n"
        "1:\n"
        "ldmia   r1!, {r10-r12, lr}\n"
        "ldr     r0, [sp]\n"
        "ldr     pc, [sp, #4]\n"
        "2:\n"
        ".rept   8\n"
        FULLY_CONNECTED_S8_DSP_UNPACKED_EIGHT
        ".endr\n"
        "3:\n"
        "ldr     r2, [sp, #52]\n"
        "cmp     r0, r2\n"
        "bne     2b\n"
        /* to twice each sum */
        "sub     r11, r11, r10\n"
        "sub     lr, lr, r12\n"
        "lsl     r10, r10, #1\n"
        "lsl     r12, r12, #1\n"
        "asr     r11, r11, #7\n"
        "asr     lr, lr, #7\n"
        "ldmia   r1!, {r2-r6}\n"
        "ldr     r7, [sp, #56]\n"
        "ldr     r0, [sp, #8]\n"
        FULLY_CONNECTED_S8_DSP_UNPACKED_STORE("r10", "r2")
        FULLY_CONNECTED_S8_DSP_UNPACKED_STORE("r11", "r3")
        FULLY_CONNECTED_S8_DSP_UNPACKED_STORE("r12", "r4")
        FULLY_CONNECTED_S8_DSP_UNPACKED_STORE("lr", "r5")
        "ldr     r2, [sp, #12]\n"
        "str     r0, [sp, #8]\n"
        "cmp     r0, r2\n"
        "bne     1b\n"
        "mov     r0, r1\n"
        "add     sp, sp, #16\n"
        "pop     {r4-r11, pc}\n");
}
/* clang-format on */

#else

SHOAL_INLINE const int32_t *fully_connected_s8_dsp_unpacked_run(const int16_t *row, const int32_t *weights,
                                                                int8_t *output, const int8_t *end, const int16_t *last,
                                                                int32_t offset) {
    while (output != end) {
        const int32_t *words = weights + 4;
        const int32_t *record = words + (last - row);
        for (int32_t pair = 0; pair < 2; ++pair) {
            uint32_t a = (uint32_t)weights[2 * pair];
            uint32_t both = (uint32_t)weights[2 * pair + 1];
            for (int32_t i = 0; i < last - row; i += 2) {
                const int32_t low = words[i + pair], high = words[i + pair] >> 16;
                a += (uint32_t)(row[i] * (int8_t)low + row[i + 1] * (int8_t)high);
                both += (uint32_t)(row[i] * (int16_t)low) + (uint32_t)(row[i + 1] * high);
            }
            const int32_t b = (int32_t)(both - a) >> 8;
            const int32_t shifts = record[4] >> (16 * pair);
            *output++ = saturate_s8(requantize((int32_t)a, record[2 * pair], shifts & 255, offset));
            *output++ = saturate_s8(requantize(b, record[2 * pair + 1], shifts >> 8 & 255, offset));
        }
        weights = record + 5;
    }
    return weights;
}

#endif

/* Unpacks a row; returns its end. */
SHOAL_INLINE int16_t *fully_connected_s8_dsp_unpacked_row(int16_t *target, const int8_t *input, int32_t length) {
    SHOAL_UNROLL(4)
    for (int32_t i = 0; i < length / 4; ++i) {
        const uint32_t word = load_word(input + 4 * i);
        store_word(target, even_bytes(word));
        store_word(target + 2, odd_bytes(word));
        target += 4;
    }
    if (length % 8 != 0) {
        int16_t *last = target + (length % 8 < 4 ? 8 : 4);
        for (int32_t i = length / 4 * 4; target != last; i += 4, target += 4) {
            for (int32_t k = 0; k < 4; ++k) {
                target[k % 2 * 2 + k / 2] = (int16_t)(i + k < length ? input[i + k] : 0);
            }
        }
    }
    return target;
}

SHOAL_INLINE void fully_connected_s8_dsp_unpacked(uint8_t *arena, const fully_connected_s8_dsp_unpacked_args *args,
                                                  const fully_connected_s8_dsp_unpacked_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    int16_t *row = (int16_t *)(void *)(arena + args->scratch);
    for (int32_t n = 0; n < shape->batches; ++n) {
        const int32_t whole = shape->output_c / 4 * 4;
        const int16_t *last = fully_connected_s8_dsp_unpacked_row(row, input, shape->input_c);
        const int32_t *weights = args->weights;
        if (whole != 0) {
            weights = fully_connected_s8_dsp_unpacked_run(row, weights, output, output + whole, last, args->offset);
        }
        if (whole != shape->output_c) {
            int8_t rest[4];
            fully_connected_s8_dsp_unpacked_run(row, weights, rest, rest + 4, last, args->offset);
            memcpy(output + whole, rest, (size_t)(shape->output_c - whole));
        }
        if (shape->clamped) {
            for (int32_t i = 0; i < shape->output_c; ++i) {
                output[i] = (int8_t)clamp(output[i], args->low, args->high);
            }
        }
        input += shape->input_c;
        output += shape->output_c;
    }
}

#endif
