/* PAD in int8: runs of input between runs of zero points, inside up to four loops. */
#ifndef SHOAL_PAD_S8_H
#define SHOAL_PAD_S8_H

#include "kernel.h"

/* Per loop, outermost first, steps before, of and after the input; the last are elements of a run. */
typedef struct {
    int32_t before_0;
    int32_t inside_0;
    int32_t after_0;
    int32_t before_1;
    int32_t inside_1;
    int32_t after_1;
    int32_t before_2;
    int32_t inside_2;
    int32_t after_2;
    int32_t before_3;
    int32_t inside_3;
    int32_t after_3;
    int32_t before_4;
    int32_t inside_4;
    int32_t after_4;
} pad_s8_shape;

typedef struct {
    uint32_t input;
    uint32_t output;
    int32_t zero_point;
} pad_s8_args;

SHOAL_INLINE int32_t pad_s8_inside(int32_t i, int32_t before, int32_t inside) {
    return i >= before && i < before + inside;
}

/* The output may start far enough before the input that nothing is overwritten unread. */
SHOAL_INLINE void pad_s8(uint8_t *arena, const pad_s8_args *args, const pad_s8_shape *shape) {
    const uint8_t *input = arena + args->input;
    uint8_t *output = arena + args->output;
    const pad_s8_shape *s = shape;
    const int32_t run = s->before_4 + s->inside_4 + s->after_4;
    for (int32_t i0 = 0; i0 < s->before_0 + s->inside_0 + s->after_0; ++i0) {
        const int32_t in_0 = pad_s8_inside(i0, s->before_0, s->inside_0);
        for (int32_t i1 = 0; i1 < s->before_1 + s->inside_1 + s->after_1; ++i1) {
            const int32_t in_1 = in_0 && pad_s8_inside(i1, s->before_1, s->inside_1);
            for (int32_t i2 = 0; i2 < s->before_2 + s->inside_2 + s->after_2; ++i2) {
                const int32_t in_2 = in_1 && pad_s8_inside(i2, s->before_2, s->inside_2);
                for (int32_t i3 = 0; i3 < s->before_3 + s->inside_3 + s->after_3; ++i3) {
                    if (in_2 && pad_s8_inside(i3, s->before_3, s->inside_3)) {
                        memset(output, args->zero_point, (size_t)s->before_4);
                        memmove(output + s->before_4, input, (size_t)s->inside_4);
                        memset(output + s->before_4 + s->inside_4, args->zero_point, (size_t)s->after_4);
                        input += s->inside_4;
                    } else {
                        memset(output, args->zero_point, (size_t)run);
                    }
                    output += run;
                }
            }
        }
    }
}

#endif
