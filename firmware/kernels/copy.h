/* The same bytes somewhere else, or nothing at all where the plan put both at one address. */
#ifndef SHOAL_COPY_H
#define SHOAL_COPY_H

#include "kernel.h"

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

#endif
