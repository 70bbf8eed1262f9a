/* A model of two pages of constants, which computes until a byte has come: the second page's place is its own, the
 * first one's may be written to only when it is fetched. */
#include "hal/hal.h"
#include "runtime/model.h"

enum {
    FIRST = 300,
    SECOND = 500,
    LONGEST = 5000000 /* microseconds */
};

static const model_tensor inputs[] = {{FIRST + SECOND, 1, 0}};
static const model_tensor outputs[] = {{0, FIRST + SECOND, 0}};

static uint8_t arena[FIRST + SECOND + 1];

/* Every byte plus the input; what has come ahead of time to where it may not be shows. */
static void add(uint32_t from, uint32_t count) {
    for (uint32_t i = from; i < from + count; i++) {
        arena[i] = (uint8_t)(arena[i] + arena[FIRST + SECOND]);
    }
}

static void run_steps(unsigned first, unsigned last, model_io *io) {
    io->status = 0;
    if (first == 0) {
        io->ahead(0, 0, FIRST, io->context);
        (void)hal_idle(LONGEST);
        io->status = io->fetch(arena, 0, FIRST, io->context);
        io->ahead(arena + FIRST, FIRST, SECOND, io->context);
        add(0, FIRST);
        (void)hal_idle(LONGEST);
    }
    if (io->status == 0 && last > 1) {
        io->ahead(arena + FIRST, FIRST, SECOND, io->context);
        (void)hal_idle(LONGEST);
        io->status = io->fetch(arena + FIRST, FIRST, SECOND, io->context);
        add(FIRST, SECOND);
    }
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
    .input_count = 1,
    .output_count = 1,
    .inputs = inputs,
    .outputs = outputs,
    .run = run,
    .run_steps = run_steps,
    .store_bytes = FIRST + SECOND,
    .reset = 0,
};
