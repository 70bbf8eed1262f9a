/* FULLY_CONNECTED in int8 for cores with Arm's DSP extension: four outputs at a time, as two pairs of channels whose
 * weights share halfwords (see conv_2d_s8_dsp.h), over inputs unpacked on the way.
 *
 * Weights lie as [block][inputs / 4][8 halfwords], inputs filled up to a multiple of 8 with zeros: inputs 0 and 2 of
 * the first pair, of the second pair, then inputs 1 and 3 of both. Where rows are no multiple of 8 each is copied to
 * scratch. Zero points are folded into the bias. Biases take three bytes, and layers of one scale share its record. */
#ifndef SHOAL_FULLY_CONNECTED_S8_DSP_H
#define SHOAL_FULLY_CONNECTED_S8_DSP_H

#include "dsp.h"
#include "fixed_point.h"
#include "rows.h"

/* `clamped`: the activation keeps less than int8; `per_channel`: every block has its own record of scales. */
typedef struct {
    int32_t batches;
    int32_t input_c;
    int32_t output_c;
    int32_t clamped;
    int32_t per_channel;
} fully_connected_s8_dsp_shape;

/* `bias`: 24 bits per channel, blocks filled up to four, then a byte that is read and not used. `scales`, five words
 * per block or five for all: four multipliers, and four right shifts - 1 in bytes. `offset` is 2 * zero point + 1. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t offset;
    int32_t low;
    int32_t high;
    const int8_t *weights;
    const uint8_t *bias;
    const int32_t *scales;
} fully_connected_s8_dsp_args;

/* One row by the channels from `output` to `end`, a multiple of four. `rounds` is inputs / 8, `step` the bytes from one
 * record of scales to the next. The function leaves pointers where the next channels begin. */
typedef struct {
    const int8_t *input;
    const int8_t *weights;
    const uint8_t *bias;
    int8_t *output;
    const int8_t *end;
    int32_t rounds;
    int32_t offset;
    const int32_t *scales;
    int32_t step;
} fully_connected_s8_dsp_tile;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* Two inputs that lie in `x`, with the weights `ab` and `cd`. */
#define FULLY_CONNECTED_S8_DSP_PAIR(x, ab, cd)                                                                         \
    "smlad  r10, " x ", " ab ", r10\n"                                                                                 \
    "sxtb16 " ab ", " ab "\n"                                                                                          \
    "smlad  r12, " x ", " cd ", r12\n"                                                                                 \
    "sxtb16 " cd ", " cd "\n"                                                                                          \
    "smlad  r9, " x ", " ab ", r9\n"                                                                                   \
    "smlad  r11, " x ", " cd ", r11\n"

#define FULLY_CONNECTED_S8_DSP_QUAD              \
    "ldr    r3, [r0], #4\n"                      \
    "ldmia  r1!, {r5-r8}\n"                      \
    "sxtb16 r4, r3\n"                            \
    "sxtb16 r3, r3, ror #8\n"                    \
    FULLY_CONNECTED_S8_DSP_PAIR("r4", "r5", "r6") \
    FULLY_CONNECTED_S8_DSP_PAIR("r3", "r7", "r8")

/* As fixed_point.h's requantize, then the next channel's shift. */
#define FULLY_CONNECTED_S8_DSP_STORE(sum, multiplier)                                                                  \
    "lsl    r0, r8, r7\n"                                                                                              \
    "add    r0, r0, " sum ", asr #31\n"                                                                                \
    "smmlar " sum ", " sum ", " multiplier ", r0\n"                                                                    \
    "asr    " sum ", " sum ", r7\n"                                                                                    \
    "ssat   " sum ", #8, " sum ", asr #1\n"                                                                            \
    "strb   " sum ", [r2], #1\n"                                                                                       \
    "lsr    r7, r7, #8\n"

/* Registers: r0 input, r1 weights, r2 rounds left, r9 to r12 the sums A, A + 256 * B, C, C + 256 * D, lr the tile. */
__attribute__((naked, noipa, unused)) static void fully_connected_s8_dsp_run(fully_connected_s8_dsp_tile *tile
                                                                             __attribute__((unused))) {
    __asm__ volatile(
        "push   {r4-r11, lr}\n"
        "mov    lr, r0\n"
        "ldr    r1, [lr, #4]\n"
        "1:\n"
        "ldr    r2, [lr, #8]\n"
        "ldr    r10, [r2, #3]\n"
        "ldr    r11, [r2, #6]\n"
        "ldr    r12, [r2, #9]\n"
        "ldr    r9, [r2], #12\n"
        "str    r2, [lr, #8]\n"
        "sbfx   r9, r9, #0, #24\n"
        "sbfx   r11, r11, #0, #24\n"
        "lsl    r10, r10, #8\n"
        "lsl    r12, r12, #8\n"
        "add    r10, r9, r10\n"
        "add    r12, r11, r12\n"
        "ldr    r0, [lr, #0]\n"
        "ldr    r2, [lr, #20]\n"
        "2:\n"
        FULLY_CONNECTED_S8_DSP_QUAD
        FULLY_CONNECTED_S8_DSP_QUAD
        "subs   r2, r2, #1\n"
        "bne    2b\n"
        /* to twice each sum */
        "sub    r10, r10, r9\n"
        "sub    r12, r12, r11\n"
        "lsl    r9, r9, #1\n"
        "lsl    r11, r11, #1\n"
        "asr    r10, r10, #7\n"
        "asr    r12, r12, #7\n"
        "ldrd   r2, r8, [lr, #28]\n"
        "ldmia  r2, {r3-r7}\n"
        "add    r2, r2, r8\n"
        "str    r2, [lr, #28]\n"
        "ldr    r8, [lr, #24]\n"
        "ldr    r2, [lr, #12]\n"
        FULLY_CONNECTED_S8_DSP_STORE("r9", "r3")
        FULLY_CONNECTED_S8_DSP_STORE("r10", "r4")
        FULLY_CONNECTED_S8_DSP_STORE("r11", "r5")
        FULLY_CONNECTED_S8_DSP_STORE("r12", "r6")
        "str    r2, [lr, #12]\n"
        "ldr    r0, [lr, #16]\n"
        "cmp    r2, r0\n"
        "bne    1b\n"
        "str    r1, [lr, #4]\n"
        "pop    {r4-r11, pc}\n");
}
/* clang-format on */

#else

SHOAL_INLINE int32_t fully_connected_s8_dsp_bias(const uint8_t *bytes) {
    return (int32_t)((uint32_t)bytes[0] << 8 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 24) >> 8;
}

SHOAL_INLINE void fully_connected_s8_dsp_run(fully_connected_s8_dsp_tile *tile) {
    do {
        const int32_t *r = tile->scales;
        for (int32_t pair = 0; pair < 2; ++pair) {
            uint32_t a = (uint32_t)fully_connected_s8_dsp_bias(tile->bias + 6 * pair);
            uint32_t both = a + (uint32_t)fully_connected_s8_dsp_bias(tile->bias + 6 * pair + 3) * 256;
            for (int32_t i = 0; i < tile->rounds * 8; ++i) {
                const int8_t *weights = tile->weights + i / 4 * 16 + i % 2 * 8 + pair * 4 + i % 4 / 2 * 2;
                a += (uint32_t)(tile->input[i] * weights[0]);
                both += (uint32_t)(tile->input[i] * (weights[1] * 256 + (uint8_t)weights[0]));
            }
            const int32_t b = (int32_t)(both - a) >> 8;
            const int32_t shifts = r[4] >> (16 * pair);
            tile->output[2 * pair] = saturate_s8(requantize((int32_t)a, r[2 * pair], shifts & 255, tile->offset));
            tile->output[2 * pair + 1] = saturate_s8(requantize(b, r[1 + 2 * pair], shifts >> 8 & 255, tile->offset));
        }
        tile->weights += tile->rounds * 32;
        tile->bias += 12;
        tile->scales += tile->step / 4;
        tile->output += 4;
    } while (tile->output != tile->end);
}

#endif

/* Outputs `channels` of a row of inputs, the first of them a multiple of four, which goes to `output`. `scratch` takes
 * a row that is no multiple of 8. */
SHOAL_INLINE void fully_connected_s8_dsp_row(const int8_t *input, int8_t *output, span channels, int8_t *scratch,
                                             const fully_connected_s8_dsp_args *args,
                                             const fully_connected_s8_dsp_shape *shape) {
    const int32_t count = channels.last - channels.first;
    const int32_t whole = count / 4 * 4;
    fully_connected_s8_dsp_tile tile = {.input = input, .output = output, .end = output + whole};
    tile.rounds = (shape->input_c + 7) / 8;
    tile.weights = args->weights + channels.first * tile.rounds * 8;
    tile.bias = args->bias + channels.first * 3;
    tile.scales = args->scales + (shape->per_channel ? channels.first / 4 * 5 : 0);
    tile.step = shape->per_channel ? 20 : 0;
    tile.offset = args->offset;
    if (shape->input_c % 8 != 0) {
        memcpy(scratch, input, (size_t)shape->input_c);
        memset(scratch + shape->input_c, 0, (size_t)(tile.rounds * 8 - shape->input_c));
        tile.input = scratch;
    }
    if (whole != 0) {
        fully_connected_s8_dsp_run(&tile);
    }
    if (whole != count) {
        int8_t last[4];
        tile.output = last;
        tile.end = last + 4;
        fully_connected_s8_dsp_run(&tile);
        memcpy(output + whole, last, (size_t)(count - whole));
    }
    if (shape->clamped) {
        for (int32_t i = 0; i < count; ++i) {
            output[i] = (int8_t)clamp(output[i], args->low, args->high);
        }
    }
}

SHOAL_INLINE void fully_connected_s8_dsp(uint8_t *arena, const fully_connected_s8_dsp_args *args,
                                         const fully_connected_s8_dsp_shape *shape) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    for (int32_t n = 0; n < shape->batches; ++n) {
        fully_connected_s8_dsp_row(input, output, (span){0, shape->output_c}, (int8_t *)(arena + args->scratch), args,
                                   shape);
        input += shape->input_c;
        output += shape->output_c;
    }
}

/* One band, see rows.h, from the one row of inputs: row y has outputs y * output_c and on. Inputs are a multiple of 8,
 * pixels one of four. */
SHOAL_INLINE void fully_connected_s8_dsp_band(const input_rows *rows, int32_t y, span pixels, int8_t *output,
                                              const fully_connected_s8_dsp_args *args,
                                              const fully_connected_s8_dsp_shape *shape) {
    const span channels = {y * shape->output_c + pixels.first, y * shape->output_c + pixels.last};
    fully_connected_s8_dsp_row(input_row(rows, 0), output, channels, NULL, args, shape);
}

#endif
