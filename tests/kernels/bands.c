/* Bands as their calls declare them: each subject of subjects.h computes what is expected at once, then row by row from
 * rings of which only the current window can be read, with no more scratch and state than declared, and over the rows
 * of its window. */
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

enum {
    APART = INT32_MAX, /* `in_place` of what must not be written over its window, `over_state` over its state */
    OVER_STATE = -2
};

/* Rows of bytes, of one or two inputs alike; `in_place`, `over_state` and `accumulates` as a band declares them;
 * `multiple`: pixels come in so many. */
typedef struct {
    const char *name;
    int32_t inputs, input_h, input_row, input_pixel;
    int32_t output_h, output_w, output_pixel;
    int32_t size, stride, before;
    int32_t columns, step, left, multiple, accumulates;
    int32_t in_place[2], over_state, scratch_bytes, state_bytes, arena_bytes;
    uint32_t input[2], output;
    const uint8_t *images, *expected;
    void (*whole)(uint8_t *arena);
    void (*band)(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *scratch, void *state);
} subject;

#include "subjects.h"

static void *allocated(int32_t bytes) {
    void *memory = malloc((size_t)bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static span clipped(int32_t first, int32_t last, int32_t size) {
    const span inside = {first < 0 ? 0 : first < size ? first : size, last < 0 ? 0 : last < size ? last : size};
    return inside;
}

static span window(const subject *s, int32_t y) {
    const int32_t top = y * s->stride - s->before;
    return clipped(top, top + s->size, s->input_h);
}

/* Calls of the band for a whole output: rows of it or, where it accumulates, of the input. */
static int32_t calls(const subject *s) {
    return s->accumulates ? s->input_h : s->output_h;
}

/* How a run goes: `slots` of a ring, `width` pixels of a band, the order of rows, the input that the output goes over,
 * -1 for none or OVER_STATE. */
typedef struct {
    int32_t slots;
    int32_t width;
    int upwards;
    int32_t over;
} way;

/* A row of the window of row `y` that no later row needs, -1 where there is none. */
static int32_t spent(const subject *s, int32_t y, int upwards) {
    const span now = window(s, y);
    const int32_t later = upwards ? y - 1 : y + 1;
    const int last = later < 0 || later >= calls(s);
    const span next = last ? (span){0, 0} : window(s, later);
    for (int32_t row = now.first; row < now.last; ++row) {
        if (row < next.first || row >= next.last) {
            return row;
        }
    }
    return -1;
}

/* Brings into a ring what the band of these pixels may read: whole rows where it computes whole rows. */
static void show(const subject *s, const uint8_t *image, const input_rows *rows, int32_t y, span pixels) {
    const int whole = pixels.first == 0 && pixels.last == s->output_w;
    const int32_t column = pixels.first * s->step - s->left;
    const int32_t end = (pixels.last - 1) * s->step - s->left + s->columns;
    const span inside =
        whole ? (span){0, s->input_row} : clipped(column * s->input_pixel, end * s->input_pixel, s->input_row);
    const span needed = window(s, y);
    for (int32_t row = needed.first; row < needed.last; ++row) {
        int8_t *slot = (int8_t *)(uintptr_t)input_row(rows, row);
        /* memory is poisoned behind, in eights: in front lies garbage */
        ASAN_UNPOISON_MEMORY_REGION(slot, (size_t)inside.last);
        memset(slot, 0x55, (size_t)inside.last);
        memcpy(slot + inside.first, image + row * s->input_row + inside.first, (size_t)(inside.last - inside.first));
    }
}

static int differs(const subject *s, way w) {
    const int32_t line = s->output_w * s->output_pixel;
    const int32_t in_place = w.over < 0 ? 0 : s->in_place[w.over];
    /* in front of each row is room for an output row that starts there */
    const int32_t room = (in_place < 0 ? -in_place + 7 : 0) / 8 * 8;
    const int32_t pitch =
        room + ((s->input_row > line ? s->input_row : line) + (in_place > 0 ? in_place : 0) + 15) / 8 * 8;
    const int32_t size = w.slots * pitch + room;
    int8_t *rings = allocated(s->inputs * size);
    int8_t *row = allocated(line);
    void *scratch = allocated(s->scratch_bytes);
    void *state = allocated(s->state_bytes + (w.over == OVER_STATE ? s->over_state + line : 0));
    const input_rows rows[2] = {{.base = rings + room, .pitch = pitch, .count = w.slots},
                                {.base = rings + size + room, .pitch = pitch, .count = w.slots}};
    int different = 0;
    memset(state, 0, (size_t)s->state_bytes);
    for (int32_t i = 0; i < calls(s) && !different; ++i) {
        const int32_t y = w.upwards ? calls(s) - 1 - i : i;
        const int32_t over = w.over < 0 ? -1 : spent(s, y, w.upwards);
        int8_t *output = over < 0 ? row : (int8_t *)(uintptr_t)input_row(&rows[w.over], over) + in_place;
        if (w.over == OVER_STATE && i == calls(s) - 1) {
            output = (int8_t *)state + s->over_state;
        }
        const int32_t width = over < 0 ? w.width : s->output_w;
        memset(row, 0x33, (size_t)line);
        for (int32_t x = 0; x < s->output_w; x += width) {
            const span pixels = {x, x + width < s->output_w ? x + width : s->output_w};
            ASAN_POISON_MEMORY_REGION(rings, (size_t)(s->inputs * size));
            for (int32_t k = 0; k < s->inputs; ++k) {
                show(s, s->images + k * s->input_h * s->input_row, &rows[k], y, pixels);
            }
            ASAN_UNPOISON_MEMORY_REGION(output, (size_t)line);
            s->band(rows, y, pixels, output + x * s->output_pixel, scratch, state);
        }
        if (!s->accumulates) {
            different = memcmp(output, s->expected + y * line, (size_t)line) != 0;
        } else if (i == calls(s) - 1) {
            different = memcmp(output, s->expected, (size_t)line) != 0;
        }
    }
    ASAN_UNPOISON_MEMORY_REGION(rings, (size_t)(s->inputs * size));
    free(state);
    free(scratch);
    free(row);
    free(rings);
    return different;
}

static int check(const subject *s) {
    const size_t bytes = (size_t)(s->input_h * s->input_row);
    uint8_t *arena = allocated(s->arena_bytes);
    for (int32_t k = 0; k < s->inputs; ++k) {
        memcpy(arena + s->input[k], s->images + (size_t)k * bytes, bytes);
    }
    s->whole(arena);
    int failed = memcmp(arena + s->output, s->expected, (size_t)(s->output_h * s->output_w * s->output_pixel)) != 0;
    if (failed) {
        printf("%s differs as a whole\n", s->name);
    }
    for (int32_t slots = s->size; slots <= s->size + s->stride; ++slots) {
        const int32_t m = s->multiple;
        const int32_t widths[] = {s->output_w, m, 2 * m, 3 * m, 7 * m};
        for (int32_t k = 0; k < 30 && !failed; ++k) {
            const way w = {slots, widths[s->accumulates ? 0 : k % 5], k / 5 % 2, k / 10 - 1};
            if (w.over >= s->inputs || (w.over >= 0 && s->in_place[w.over] == APART)) {
                continue;
            }
            failed = differs(s, w);
            if (failed) {
                printf("%s differs: %d slots, %d pixels, %s%s\n", s->name, (int)slots, (int)w.width,
                       w.upwards ? "upwards" : "downwards", w.over < 0 ? "" : ", in place");
            }
        }
        for (int upwards = 0; upwards < 2 && s->over_state != APART && !failed; ++upwards) {
            failed = differs(s, (way){slots, s->output_w, upwards, OVER_STATE});
            if (failed) {
                printf("%s differs over its state\n", s->name);
            }
        }
    }
    free(arena);
    return failed;
}

int main(void) {
    int failed = 0;
    for (size_t k = 0; k < sizeof subjects / sizeof *subjects; ++k) {
        failed |= check(&subjects[k]);
    }
    return failed;
}
