/* CONV_2D 3x3 without stride in int8 by Winograd's algorithm, for cores with Arm's DSP extension: what its tile sizes
 * share. A kernel brings a `winograd_transform`.
 *
 * A row of tiles needs two rows of input more than it has of output: they are transformed downwards for all columns,
 * then across for two tiles at a time, whose products with the transformed weights are summed for four output channels
 * at once and transformed back. Tiles that leave the image read padding and drop what lies outside. Two channels share
 * a word from first to last.
 *
 * All of it is exact: transforms have integer coefficients and fit 16 bits for all int8 values; sums of products and
 * the transform of the outputs are integers modulo 2^32, a multiple of the sum that the generator proved to be in
 * range. */
#ifndef SHOAL_WINOGRAD_DSP_H
#define SHOAL_WINOGRAD_DSP_H

#include "dsp.h"
#include "fixed_point.h"
#include "kernel.h"

enum {
    WINOGRAD_TILES = 2,    /* tiles whose products are summed at once */
    WINOGRAD_CHANNELS = 4, /* output channels of a block of weights */
    WINOGRAD_PAIRS = 8,    /* pairs of input channels that the weights are filled up to a multiple of */
    WINOGRAD_SUMS = WINOGRAD_TILES * WINOGRAD_CHANNELS,
    WINOGRAD_MOST_TILE = 4,  /* outputs of the largest tile in each direction */
    WINOGRAD_MOST_POINTS = 6 /* points of its transform */
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
    int32_t pad_top;
    int32_t pad_left;
    int32_t clamped;
} winograd_shape;

/* `weights`: [block][position][pair][channel][2], where the pairs of every four input channels are 0 and 2, 1 and 3.
 * `requantization`, four words per output channel: the bias, times what the transform's sums are multiplied by; the
 * multiplier; what is added to the doubled sum's high word; the right shift. `scratch` holds the transformed columns,
 * the transformed tiles, the sums and a row of padding. */
typedef struct {
    uint32_t input;
    uint32_t output;
    uint32_t scratch;
    int32_t input_zero_point;
    int32_t low;
    int32_t high;
    const int16_t *weights;
    const int32_t *requantization;
} winograd_args;

/* F(tile x tile, 3x3), with tile + 2 points in each direction and a position for each two of them. */
typedef struct {
    int32_t tile;
    /* a word of columns is 65536 times one channel's value plus another's, whatever their signs, of inputs that are
     * counted as value + 128, which the bias has taken off; else it is two halves of 16 bits */
    int32_t carries;
    int32_t second; /* the second point of a constant 1; its other points are zero */
    /* words at the points */
    void (*points)(const uint32_t *values, uint32_t *points);
    /* two tiles across, from their first column, into pairs of 16-bit values; `position` words from a point to the
     * next, `tile` columns from a tile to the next */
    void (*across)(uint32_t *tiles, const uint32_t *columns, int32_t position);
    /* the outputs of a tile for one channel; `pixel` and `row` are bytes from one output to the next */
    void (*store)(int8_t *output, int32_t pixel, int32_t row, const int32_t *sums, const int32_t *requantization);
} winograd_transform;

/* Two transformed tiles, [position][pair][tile], by a block of weights to `sums`, [position][tile][channel].
 * `first_end` is where the inputs of the first position end, `stride` their bytes. */
typedef struct {
    const uint32_t *inputs;
    const int16_t *weights;
    const uint32_t *first_end;
    int32_t *sums;
    uint32_t stride;
    const int32_t *sums_end;
} winograd_products;

#if defined(__ARM_FEATURE_DSP)

/* clang-format off */

/* One pair of input channels: a word of each tile, a word of each output channel. */
#define WINOGRAD_STEP                \
    "ldrd  r2, r3, [r0], #8\n"       \
    "ldrd  r12, lr, [r1], #8\n"      \
    "smlad r4, r2, r12, r4\n"        \
    "smlad r8, r3, r12, r8\n"        \
    "smlad r5, r2, lr, r5\n"         \
    "smlad r9, r3, lr, r9\n"         \
    "ldrd  r12, lr, [r1], #8\n"      \
    "smlad r6, r2, r12, r6\n"        \
    "smlad r10, r3, r12, r10\n"      \
    "smlad r7, r2, lr, r7\n"         \
    "smlad r11, r3, lr, r11\n"

/* The same where the sums begin. */
#define WINOGRAD_FIRST                \
    "ldrd  r2, r3, [r0], #8\n"        \
    "ldrd  r12, lr, [r1], #8\n"       \
    "smuad r4, r2, r12\n"             \
    "smuad r8, r3, r12\n"             \
    "smuad r5, r2, lr\n"              \
    "smuad r9, r3, lr\n"              \
    "ldrd  r12, lr, [r1], #8\n"       \
    "smuad r6, r2, r12\n"             \
    "smuad r10, r3, r12\n"            \
    "smuad r7, r2, lr\n"              \
    "smuad r11, r3, lr\n"

/* Registers: r0 inputs, r1 weights, r4 to r7 the sums of the first tile, r8 to r11 of the second; on the stack the end
 * of this position's inputs, sums, stride, end of sums. The compiler spills where it has fourteen values to hold. */
__attribute__((naked, noipa, unused)) static void
winograd_multiply(const winograd_products *products __attribute__((unused))) {
    __asm__ volatile(
        "push  {r4-r11, lr}\n"
        "ldmia r0, {r0-r5}\n"
        "push  {r2-r5}\n"
        "1:\n"
        WINOGRAD_FIRST
        ".rept 7\n"
        WINOGRAD_STEP
        ".endr\n"
        "ldr   r2, [sp]\n"
        "cmp   r0, r2\n"
        "beq   3f\n"
        "2:\n"
        ".rept 8\n"
        WINOGRAD_STEP
        ".endr\n"
        "ldr   r2, [sp]\n"
        "cmp   r0, r2\n"
        "bne   2b\n"
        "3:\n"
        "ldrd  r3, r12, [sp, #4]\n"
        "add   r2, r2, r12\n"
        "stmia r3!, {r4-r11}\n"
        "strd  r2, r3, [sp]\n"
        "ldr   r2, [sp, #12]\n"
        "cmp   r3, r2\n"
        "bne   1b\n"
        "add   sp, sp, #16\n"
        "pop   {r4-r11, pc}\n");
}
/* clang-format on */

#else

SHOAL_INLINE void winograd_multiply(const winograd_products *products) {
    const uint32_t *inputs = products->inputs;
    const int16_t *weights = products->weights;
    for (int32_t *sums = products->sums; sums != products->sums_end; sums += WINOGRAD_SUMS) {
        uint32_t totals[WINOGRAD_SUMS] = {0};
        for (uint32_t pair = 0; pair < products->stride / 8; ++pair) {
            for (int32_t i = 0; i < WINOGRAD_SUMS; ++i) {
                const int16_t *w = weights + i % WINOGRAD_CHANNELS * 2;
                const uint32_t x = inputs[i / WINOGRAD_CHANNELS];
                totals[i] += (uint32_t)((int16_t)x * w[0]) + (uint32_t)((int16_t)(x >> 16) * w[1]);
            }
            inputs += WINOGRAD_TILES;
            weights += 2 * WINOGRAD_CHANNELS;
        }
        memcpy(sums, totals, sizeof totals);
    }
}

#endif

/* Values that registers have no room for, kept from being spilled one by one. */
#if defined(__GNUC__)
#define SHOAL_IN_MEMORY(array) __asm__ volatile("" : : "r"(array) : "memory")
#else
#define SHOAL_IN_MEMORY(array)
#endif

/* Where the parts of `scratch` begin, and their sizes in words. */
typedef struct {
    uint32_t *columns; /* [point][pair][pitch] */
    uint32_t *tiles;   /* [position][filled][tile] */
    int32_t *sums;     /* [position][tile][channel] */
    int8_t *padding;
    int32_t pitch;
    int32_t pairs;
    int32_t filled;
} winograd_room;

SHOAL_INLINE winograd_room winograd_rooms(uint8_t *scratch, const winograd_shape *shape,
                                          const winograd_transform *transform) {
    const int32_t points = transform->tile + 2, step = WINOGRAD_TILES * transform->tile;
    winograd_room room;
    room.pitch = (shape->output_w + step - 1) / step * step + 2;
    room.pairs = shape->input_c / 2;
    room.filled = (room.pairs + WINOGRAD_PAIRS - 1) / WINOGRAD_PAIRS * WINOGRAD_PAIRS;
    room.columns = (uint32_t *)(void *)scratch;
    room.tiles = room.columns + points * room.pairs * room.pitch;
    room.sums = (int32_t *)(room.tiles + points * points * room.filled * WINOGRAD_TILES);
    room.padding = (int8_t *)(room.sums + points * points * WINOGRAD_SUMS);
    return room;
}

/* Transforms the `count` columns of the rows downwards, into [point][pair][column]. */
SHOAL_INLINE void winograd_down(uint32_t *columns, const int8_t *const *rows, int32_t count, const winograd_room *room,
                                const winograd_shape *shape, const winograd_transform *transform) {
    const int32_t count_of_points = transform->tile + 2;
    const int32_t plane = room->pairs * room->pitch;
    for (int32_t c = 0; c < shape->input_c; c += 4) {
        uint32_t *target = columns + c / 2 * room->pitch;
        SHOAL_UNROLL(1)
        for (int32_t x = 0; x < count; ++x) {
            uint32_t words[WINOGRAD_MOST_POINTS], values[WINOGRAD_MOST_POINTS], points[WINOGRAD_MOST_POINTS];
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < count_of_points; ++i) {
                words[i] = load_word(SHOAL_ALIGNED(rows[i] + x * shape->input_c + c));
                if (transform->carries) {
                    words[i] ^= UINT32_C(0x80808080);
                }
                values[i] = transform->carries ? even_unsigned(words[i]) : even_bytes(words[i]);
            }
            transform->points(values, points);
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < count_of_points; ++i) {
                target[i * plane] = points[i];
                values[i] = transform->carries ? odd_unsigned(words[i]) : odd_bytes(words[i]);
            }
            transform->points(values, points);
            SHOAL_UNROLL(6)
            for (int32_t i = 0; i < count_of_points; ++i) {
                target[i * plane + room->pitch] = points[i];
            }
            ++target;
        }
    }
}

/* Transforms two tiles across, from their first column on. */
SHOAL_INLINE void winograd_across(const uint32_t *columns, const winograd_room *room,
                                  const winograd_transform *transform) {
    const int32_t points = transform->tile + 2, position = room->filled * WINOGRAD_TILES;
    uint32_t *tiles = room->tiles;
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < points; ++i) {
        SHOAL_UNROLL(1)
        for (int32_t pair = 0; pair < room->pairs; ++pair) {
            transform->across(tiles, columns, position);
            columns += room->pitch;
            tiles += WINOGRAD_TILES;
        }
        tiles += points * position - room->pairs * WINOGRAD_TILES;
    }
}

/* A block of channels of two tiles, of which `height` rows and `width` columns lie in the image. */
SHOAL_INLINE void winograd_block(int8_t *output, int32_t height, int32_t width, const int32_t *sums,
                                 const int32_t *requantization, const winograd_shape *shape,
                                 const winograd_transform *transform) {
    const int32_t tile = transform->tile, columns = WINOGRAD_TILES * tile;
    const int32_t line = shape->output_w * shape->output_c;
    const int32_t high = shape->output_h % tile == 0 || height >= tile;
    const int32_t wide = shape->output_w % columns == 0 || width >= columns;
    int8_t tiles[WINOGRAD_MOST_TILE * WINOGRAD_MOST_TILE * WINOGRAD_SUMS];
    int8_t *target = high && wide ? output : tiles;
    const int32_t pixel = high && wide ? shape->output_c : WINOGRAD_CHANNELS;
    const int32_t row = high && wide ? line : columns * WINOGRAD_CHANNELS;
    const int32_t *record = requantization;
    SHOAL_UNROLL(1)
    for (int32_t i = 0; i < WINOGRAD_SUMS; ++i) {
        transform->store(target, pixel, row, sums + i, record);
        ++target;
        record += 4;
        if (i == WINOGRAD_CHANNELS - 1) {
            target += tile * pixel - WINOGRAD_CHANNELS;
            record = requantization;
        }
    }
    if (!high || !wide) {
        SHOAL_UNROLL(1)
        for (int32_t i = 0; i < tile * columns; ++i) {
            const int32_t y = i / columns, x = i % columns;
            if (y < height && x < width) {
                memcpy(output + y * line + x * shape->output_c, tiles + i * WINOGRAD_CHANNELS, WINOGRAD_CHANNELS);
            }
        }
    }
}

/* A row of tiles, or its `height` first rows of outputs. */
SHOAL_INLINE void winograd_rows(const int8_t *const *rows, int8_t *output, int32_t height, const winograd_room *room,
                                const winograd_args *args, const winograd_shape *shape,
                                const winograd_transform *transform) {
    const int32_t positions = (transform->tile + 2) * (transform->tile + 2);
    const int32_t reach = room->pitch - shape->pad_left;
    winograd_products products = {.inputs = room->tiles, .first_end = room->tiles + room->filled * WINOGRAD_TILES};
    products.sums = room->sums;
    products.sums_end = room->sums + positions * WINOGRAD_SUMS;
    products.stride = (uint32_t)room->filled * WINOGRAD_TILES * 4;
    winograd_down(room->columns + shape->pad_left, rows, shape->input_w < reach ? shape->input_w : reach, room, shape,
                  transform);
    SHOAL_UNROLL(1)
    for (int32_t x = 0; x < shape->output_w; x += WINOGRAD_TILES * transform->tile) {
        winograd_across(room->columns + x, room, transform);
        products.weights = args->weights;
        SHOAL_UNROLL(1)
        for (int32_t c = 0; c < shape->output_c; c += WINOGRAD_CHANNELS) {
            winograd_multiply(&products);
            products.weights += positions * room->filled * WINOGRAD_CHANNELS * 2;
            winograd_block(output + x * shape->output_c + c, height, shape->output_w - x, room->sums,
                           args->requantization + 4 * c, shape, transform);
        }
    }
    if (shape->clamped) {
        for (int32_t i = 0; i < height * shape->output_w * shape->output_c; ++i) {
            output[i] = (int8_t)clamp(output[i], args->low, args->high);
        }
    }
}

/* What all rows share: padding, and columns left and right of the image. */
SHOAL_INLINE void winograd_begin(const winograd_room *room, const winograd_args *args, const winograd_shape *shape,
                                 const winograd_transform *transform) {
    const int32_t points = transform->tile + 2;
    const int32_t value = transform->second * (args->input_zero_point + (transform->carries ? 128 : 0));
    const uint32_t constant = (transform->carries ? (uint32_t)value : (uint16_t)value) * UINT32_C(0x10001);
    memset(room->padding, args->input_zero_point, (size_t)(shape->input_w * shape->input_c));
    if (room->filled != room->pairs) {
        memset(room->tiles, 0, (size_t)(points * points * room->filled * WINOGRAD_TILES) * sizeof *room->tiles);
    }
    for (int32_t i = 0; i < points * room->pairs; ++i) {
        for (int32_t x = 0; x < room->pitch; ++x) {
            if (x < shape->pad_left || x >= shape->pad_left + shape->input_w) {
                room->columns[i * room->pitch + x] = i / room->pairs == 1 ? constant : 0;
            }
        }
    }
}

SHOAL_INLINE void winograd(uint8_t *arena, const winograd_args *args, const winograd_shape *shape,
                           const winograd_transform *transform) {
    const int8_t *input = (const int8_t *)(arena + args->input);
    int8_t *output = (int8_t *)(arena + args->output);
    const winograd_room room = winograd_rooms(arena + args->scratch, shape, transform);
    const int32_t tile = transform->tile;
    const int32_t line = shape->input_w * shape->input_c;
    winograd_begin(&room, args, shape, transform);
    for (int32_t n = 0; n < shape->batches; ++n) {
        for (int32_t y = 0; y < shape->output_h; y += tile) {
            const int8_t *rows[WINOGRAD_MOST_POINTS];
            SHOAL_UNROLL(1)
            for (int32_t i = 0; i < tile + 2; ++i) {
                const int32_t row = y + i - shape->pad_top;
                rows[i] = row < 0 || row >= shape->input_h ? room.padding : input + row * line;
            }
            const int32_t left = shape->output_h - y;
            const int32_t height = left < tile ? left : tile;
            winograd_rows(rows, output, height, &room, args, shape, transform);
            output += height * shape->output_w * shape->output_c;
        }
        input += shape->input_h * line;
    }
}

#endif
