/* Sums of int32 sums, element by element; they wrap. */
#ifndef SHOAL_ADD_SUMS_S32_H
#define SHOAL_ADD_SUMS_S32_H

#include "kernel.h"

typedef struct {
    int32_t count;
} add_sums_s32_shape;

typedef struct {
    uint32_t input_0;
    uint32_t input_1;
    uint32_t output;
} add_sums_s32_args;

SHOAL_INLINE void add_sums_s32(uint8_t *arena, const add_sums_s32_args *args, const add_sums_s32_shape *shape) {
    const uint32_t *first = (const uint32_t *)(const void *)(arena + args->input_0);
    const uint32_t *second = (const uint32_t *)(const void *)(arena + args->input_1);
    uint32_t *output = (uint32_t *)(void *)(arena + args->output);
    for (int32_t i = 0; i < shape->count; ++i) {
        output[i] = first[i] + second[i];
    }
}

#endif
