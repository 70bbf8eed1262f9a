/* Bands as their calls declare them: each subject of subjects.h computes an image at once, then row by row from rings
 * of which only the current window can be read, with no more scratch than declared, and over the rows of its window. */
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

enum {
    APART = INT32_MAX /* `in_place` of what must not be written over its window */
};

/* Rows of bytes; `in_place` as a band declares it. */
typedef struct {
    const char *name;
    int32_t input_h, input_row, input_pixel;
    int32_t output_h, output_w, output_pixel;
    int32_t size, stride, before;
    int32_t columns, step, left;
    int32_t in_place, scratch_bytes, arena_bytes;
    uint32_t input, output;
    void (*whole)(uint8_t *arena);
    void (*band)(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *scratch);
} subject;

#include "subjects.h"

static uint32_t state = 1;

static uint32_t drawn(uint32_t below) {
    state = state * 1664525U + 1013904223U;
    return (uint32_t)((uint64_t)state * below >> 32);
}

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

/* How a run goes: `slots` of the ring, `width` pixels of a band, the order of rows, output over input. */
typedef struct {
    int32_t slots;
    int32_t width;
    int upwards;
    int in_place;
} way;

/* A row of the window of row `y` that no later row needs, -1 where there is none. */
static int32_t spent(const subject *s, int32_t y, int upwards) {
    const span now = window(s, y);
    const int32_t later = upwards ? y - 1 : y + 1;
    const int last = later < 0 || later >= s->output_h;
    const span next = last ? (span){0, 0} : window(s, later);
    for (int32_t row = now.first; row < now.last; ++row) {
        if (row < next.first || row >= next.last) {
            return row;
        }
    }
    return -1;
}

/* Brings into the ring what the band of these pixels may read: whole rows where it computes whole rows. */
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

static int differs(const subject *s, const uint8_t *image, const uint8_t *expected, way w) {
    const int32_t line = s->output_w * s->output_pixel;
    /* in front of each row is room for an output row that starts there */
    const int32_t room = (s->in_place < 0 ? -s->in_place + 7 : 0) / 8 * 8;
    const int32_t pitch = room + ((s->input_row > line ? s->input_row : line) + 15) / 8 * 8;
    const size_t size = (size_t)(w.slots * pitch + room);
    int8_t *ring = allocated((int32_t)size);
    int8_t *row = allocated(line);
    void *scratch = allocated(s->scratch_bytes);
    const input_rows rows = {.base = ring + room, .pitch = pitch, .count = w.slots};
    int different = 0;
    for (int32_t i = 0; i < s->output_h && !different; ++i) {
        const int32_t y = w.upwards ? s->output_h - 1 - i : i;
        const int32_t over = w.in_place ? spent(s, y, w.upwards) : -1;
        int8_t *output = over < 0 ? row : ring + room + over % w.slots * pitch + s->in_place;
        const int32_t width = over < 0 ? w.width : s->output_w;
        memset(row, 0x33, (size_t)line);
        for (int32_t x = 0; x < s->output_w; x += width) {
            const span pixels = {x, x + width < s->output_w ? x + width : s->output_w};
            ASAN_POISON_MEMORY_REGION(ring, size);
            show(s, image, &rows, y, pixels);
            ASAN_UNPOISON_MEMORY_REGION(output, (size_t)line);
            s->band(&rows, y, pixels, output + x * s->output_pixel, scratch);
        }
        different = memcmp(output, expected + y * line, (size_t)line) != 0;
    }
    ASAN_UNPOISON_MEMORY_REGION(ring, size);
    free(scratch);
    free(row);
    free(ring);
    return different;
}

static int check(const subject *s) {
    const size_t bytes = (size_t)(s->input_h * s->input_row);
    uint8_t *arena = allocated(s->arena_bytes);
    uint8_t *image = allocated((int32_t)bytes);
    int failed = 0;
    for (size_t i = 0; i < bytes; ++i) {
        image[i] = (uint8_t)drawn(256);
    }
    memcpy(arena + s->input, image, bytes);
    s->whole(arena);
    for (int32_t slots = s->size; slots <= s->size + s->stride; ++slots) {
        const int32_t widths[] = {s->output_w, 1, 2, 3, 7};
        for (int32_t k = 0; k < 20 && !failed; ++k) {
            const way w = {slots, widths[k % 5], k / 5 % 2, k / 10};
            if (w.in_place && s->in_place == APART) {
                continue;
            }
            failed = differs(s, image, arena + s->output, w);
            if (failed) {
                printf("%s differs: %d slots, %d pixels, %s%s\n", s->name, (int)slots, (int)w.width,
                       w.upwards ? "upwards" : "downwards", w.in_place ? ", in place" : "");
            }
        }
    }
    free(image);
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
