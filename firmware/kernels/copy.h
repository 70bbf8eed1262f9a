/* The same bytes somewhere else, or nothing at all where the plan put both at one address. */
#ifndef SHOAL_COPY_H
#define SHOAL_COPY_H

#include "rows.h"

typedef struct {
    int32_t bytes;
} copy_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
} copy_args;

SHOAL_INLINE void copy(uint8_t *arena, const copy_args *args, const copy_shape *shape) {
    if (args->output != args->input) {
        memmove(arena + args->output, arena + args->input, (size_t)shape->bytes);
    }
}

/* One band, see rows.h. */
SHOAL_INLINE void copy_band(const input_rows *rows, int32_t y, span bytes, int8_t *output, const copy_args *args,
                            const copy_shape *shape) {
    (void)args;
    (void)shape;
    const int8_t *input = input_row(rows, y) + bytes.first;
    if (output != input) {
        memmove(output, input, (size_t)(bytes.last - bytes.first));
    }
}

#endif
