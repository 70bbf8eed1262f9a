/* Bands from rings against whole tensors: each subject of subjects.h computes an image at once, then row by row from a
 * ring of which only the current window can be read. Rows before, behind and between are poisoned. */
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

enum {
    INPUT = 0,
    INPUT_1 = 4096,
    OUTPUT = 8192,
    SCRATCH = 16384,
    STATE = 20480,
    ARENA = 24576,
    CONSTANTS = 8192
};

static uint8_t arena[ARENA] __attribute__((aligned(16)));
static int8_t bytes[CONSTANTS] __attribute__((aligned(16)));
static int8_t shifts[CONSTANTS], padding[CONSTANTS];
static float floats[CONSTANTS];
static int32_t words[CONSTANTS], multipliers[CONSTANTS], pairs[CONSTANTS], fours[CONSTANTS];
static int32_t summands[CONSTANTS], nines[CONSTANTS], scaled_nines[CONSTANTS], fives[CONSTANTS];

/* Channels are bytes of a pixel. `inputs`, one or two alike, have a ring each; `step`: pixels come in so many;
 * `accumulates`: bands are rows of the input, see rows.h. */
typedef struct {
    const char *name;
    int32_t input_h, input_w, input_c, output_h, output_w, output_c;
    int32_t filter_h, filter_w, stride, dilation, pad_top, pad_left;
    int32_t inputs, step, accumulates;
    void (*whole)(void);
    void (*band)(const input_rows *rows, int32_t y, span pixels, int8_t *output);
} subject;

#include "subjects.h"

static uint32_t state = 1;

static uint32_t drawn(uint32_t below) {
    state = state * 1664525U + 1013904223U;
    return (uint32_t)((uint64_t)state * below >> 32);
}

/* Records of two channels with so many taps: two biases, pairs of weights, then per channel a multiplier, an addend
 * and, where weights are not scaled, a right shift. */
static void draw_stream(int32_t *stream, int32_t taps, int32_t scaled) {
    const int32_t record = scaled ? 2 : 3;
    for (int32_t i = 0; i < CONSTANTS; ++i) {
        const int32_t at = i % (2 + taps + 2 * record) - 2;
        const int32_t member = (at - taps) % record;
        if (at < 0) {
            stream[i] = words[i];
        } else if (at < taps) {
            stream[i] = (int32_t)((drawn(255) - 127) << 17 | ((drawn(255) - 127) * 2 & 0xFFFF));
        } else {
            stream[i] = member == 0 ? multipliers[i] : member == 1 ? 5 << 6 : 7;
        }
    }
}

/* Records of any kernel read the same way: biases around zero, multipliers of at least a half, right shifts - 1 that
 * bring the sums to bytes. */
static void draw_constants(void) {
    for (int32_t i = 0; i < CONSTANTS; ++i) {
        bytes[i] = (int8_t)drawn(256);
        padding[i] = -7;
        shifts[i] = (int8_t)(6 + drawn(2));
        words[i] = (int32_t)drawn(2000) - 1000;
        multipliers[i] = (int32_t)(UINT32_C(1) << 30 | drawn(UINT32_C(1) << 30));
        summands[i] = (int32_t)drawn(1 << 29) - (1 << 28);
        floats[i] = (float)words[i];
        /* biases of A and A + 256 * B, two multipliers, two shifts in bytes */
        pairs[i] = i % 5 < 2 ? words[i] * (i % 5 == 1 ? 256 : 1) : i % 5 < 4 ? multipliers[i] : 0x0706;
        /* four biases, four multipliers, four shifts in bytes */
        fours[i] = i % 9 < 4 ? words[i] : i % 9 < 8 ? multipliers[i] : 0x06070607;
    }
    draw_stream(nines, 9, 0);
    draw_stream(scaled_nines, 9, 1);
    draw_stream(fives, 5, 0);
}

/* Row `y` of each image into its slot: its columns from `first` to `last`, all else in the slot garbage or poison. */
static void show(const subject *s, int8_t *rings, const input_rows *rows, int32_t y, span columns) {
    const int32_t line = s->input_w * s->input_c;
    for (int32_t k = 0; k < s->inputs; ++k) {
        const uint8_t *image = arena + (k == 0 ? INPUT : INPUT_1);
        int8_t *slot = rings + (k * rows->count + y % rows->count) * rows->pitch;
        ASAN_UNPOISON_MEMORY_REGION(slot, (size_t)rows->pitch);
        memset(slot, 0x55, (size_t)rows->pitch);
        memcpy(slot + columns.first * s->input_c, image + y * line + columns.first * s->input_c,
               (size_t)((columns.last - columns.first) * s->input_c));
        ASAN_POISON_MEMORY_REGION(slot + columns.last * s->input_c, (size_t)(rows->pitch - columns.last * s->input_c));
    }
}

static void hide(const subject *s, int8_t *rings, const input_rows *rows, int32_t y) {
    for (int32_t k = 0; k < s->inputs; ++k) {
        ASAN_POISON_MEMORY_REGION(rings + (k * rows->count + y % rows->count) * rows->pitch, (size_t)rows->pitch);
    }
}

static span clipped(int32_t first, int32_t last, int32_t size) {
    const span inside = {first < 0 ? 0 : first < size ? first : size, last < 0 ? 0 : last < size ? last : size};
    return inside;
}

/* The whole output from rings of `slots`, `width` pixels at a time, from the top or from the bottom. Rows enter the
 * rings once where bands are whole rows, else for each band, with no more columns than it needs. */
static int differs(const subject *s, int32_t slots, int32_t width, int upwards) {
    const int32_t line = s->output_w * s->output_c;
    const size_t size = (size_t)(s->output_h * line);
    const int32_t pitch = (s->input_w * s->input_c + 16 + 7) / 8 * 8;
    const size_t ring_bytes = (size_t)(s->inputs * slots * pitch);
    const int32_t bands = s->accumulates ? s->input_h : s->output_h;
    int8_t *rings = malloc(ring_bytes);
    int8_t *output = malloc(size);
    if (rings == NULL || output == NULL) {
        abort();
    }
    const input_rows rows[2] = {{.base = rings, .pitch = pitch, .count = slots},
                                {.base = rings + slots * pitch, .pitch = pitch, .count = slots}};
    span held = {0, 0};
    memset(output, 0x33, size);
    memset(arena + STATE, 0, ARENA - STATE);
    ASAN_POISON_MEMORY_REGION(rings, ring_bytes);
    for (int32_t i = 0; i < bands; ++i) {
        const int32_t y = upwards ? bands - 1 - i : i;
        const int32_t top = y * s->stride - s->pad_top;
        const span window = clipped(top, top + (s->filter_h - 1) * s->dilation + 1, s->input_h);
        int8_t *target = output + (s->accumulates ? 0 : y * line);
        for (int32_t x = 0; x < s->output_w; x += width) {
            const span pixels = {x, x + width < s->output_w ? x + width : s->output_w};
            const int32_t left = pixels.first * s->stride - s->pad_left;
            const int32_t right = (pixels.last - 1) * s->stride - s->pad_left + (s->filter_w - 1) * s->dilation + 1;
            const int whole = width >= s->output_w;
            for (int32_t row = held.first; row < held.last; ++row) {
                if (!whole || row < window.first || row >= window.last) {
                    hide(s, rings, rows, row);
                }
            }
            for (int32_t row = window.first; row < window.last; ++row) {
                if (!whole || row < held.first || row >= held.last) {
                    show(s, rings, rows, row, whole ? (span){0, s->input_w} : clipped(left, right, s->input_w));
                }
            }
            held = window;
            s->band(rows, y, pixels, target + x * s->output_c);
        }
    }
    const int different = memcmp(output, arena + OUTPUT, size) != 0;
    ASAN_UNPOISON_MEMORY_REGION(rings, ring_bytes);
    free(rings);
    free(output);
    return different;
}

/* The bytes must tell rows and pixels apart. */
static int32_t distinct(const subject *s) {
    uint8_t seen[256] = {0};
    int32_t count = 0;
    for (int32_t i = 0; i < s->output_h * s->output_w * s->output_c; ++i) {
        count += !seen[arena[OUTPUT + i]];
        seen[arena[OUTPUT + i]] = 1;
    }
    return count;
}

int main(int argc, char **argv) {
    draw_constants();
    for (size_t k = 0; argc == 2 && k < sizeof subjects / sizeof *subjects; ++k) {
        const subject *s = &subjects[k];
        if (strcmp(s->name, argv[1]) != 0) {
            continue;
        }
        for (int32_t i = 0; i < s->input_h * s->input_w * s->input_c; ++i) {
            arena[INPUT + i] = (uint8_t)drawn(256);
            arena[INPUT_1 + i] = (uint8_t)drawn(256);
        }
        s->whole();
        if (distinct(s) < 8) {
            printf("only %d distinct bytes\n", (int)distinct(s));
            return 1;
        }
        const int32_t extent = (s->filter_h - 1) * s->dilation + 1;
        for (int32_t slots = extent; slots <= extent + s->stride; ++slots) {
            const int32_t widths[] = {s->output_w, s->step, 2 * s->step, 3 * s->step};
            for (size_t w = 0; w < (s->accumulates ? 1 : 4); ++w) {
                for (int upwards = 0; upwards < 2; ++upwards) {
                    if (differs(s, slots, widths[w], upwards)) {
                        printf("differs: %d slots, %d pixels, %s\n", (int)slots, (int)widths[w],
                               upwards ? "upwards" : "downwards");
                        return 1;
                    }
                }
            }
        }
        return 0;
    }
    printf("no such subject\n");
    return 2;
}
