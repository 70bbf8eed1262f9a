/* A model small enough to check by hand: two inputs, two outputs, two steps, in the harness's own terms. It consumes
 * its inputs, as real models do, so that running twice on one load shows. */
#include "runtime/model.h"

enum {
    FIRST = 600,
    SECOND = 5,
    LONG = 300,
    SUM = 4
};

static const model_tensor inputs[] = {{0, FIRST, 0}, {FIRST, SECOND, 0}};
static const model_tensor outputs[] = {{608, LONG, 0}, {908, SUM, 0}};

__attribute__((aligned(16))) static uint8_t arena[912];

#ifdef SHOAL_TICK
void SHOAL_TICK(void);
#else
#define SHOAL_TICK() ((void)0)
#endif

/* Sums of pairs, plus the second input's first byte. */
static void add_pairs(void) {
    for (int i = 0; i < LONG; i++) {
        arena[outputs[0].offset + (uint32_t)i] = (uint8_t)(arena[2 * i] + arena[2 * i + 1] + arena[FIRST]);
    }
    for (int i = 0; i < FIRST + SECOND; i++) {
        arena[i] = (uint8_t)(arena[i] ^ 0x5A);
    }
}

/* A weighted sum of the first output, on some stack. */
static void weigh(void) {
    volatile uint8_t scratch[200];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < LONG; i++) {
        scratch[i % sizeof scratch] = arena[outputs[0].offset + i];
        sum += (i + 1) * scratch[i % sizeof scratch];
    }
    for (uint32_t i = 0; i < SUM; i++) {
        arena[outputs[1].offset + i] = (uint8_t)(sum >> 8 * i);
    }
}

static void run_steps(unsigned first, unsigned last, model_io *io) {
    static void (*const steps[])(void) = {add_pairs, weigh};
    for (unsigned i = first; i < last; i++) {
        steps[i]();
        SHOAL_TICK();
    }
    io->status = 0;
}

static void run(model_io *io) {
    run_steps(0, 2, io);
}

uint8_t *arena_at(uint32_t offset) {
    return arena + offset;
}

const model_image image = {
    .name = "tiny",
    .tool_version = "0.0.0",
    .board = "none",
    .sha256 = {1, 2, 3, 4, 5, 6, 7, 8},
    .arena_bytes = sizeof arena,
    .weights_bytes = 0,
    .step_count = 2,
    .input_count = 2,
    .output_count = 2,
    .inputs = inputs,
    .outputs = outputs,
    .run = run,
    .run_steps = run_steps,
    .reset = 0,
};
