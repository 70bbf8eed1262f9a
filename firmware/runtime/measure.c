#include "measure.h"

#include "../hal/hal.h"
#include "model.h"

#define PAINT 0xA5C3F00Fu

/* Painting writes below the stack pointer, which the address sanitizer takes for a mistake. */
#if defined(__SANITIZE_ADDRESS__)
#define PAINTS __attribute__((noinline, no_sanitize_address))
#else
#define PAINTS __attribute__((noinline))
#endif

static uintptr_t deepest;
#if SHOAL_NODE
static row_link *under_way;
#endif

SHOAL_LINK static inline __attribute__((always_inline)) void paint(uintptr_t bottom) {
    volatile uint32_t *end = (volatile uint32_t *)((hal_stack_pointer() - HAL_STACK_SKIP) & ~(uintptr_t)3);
    for (volatile uint32_t *word = (volatile uint32_t *)bottom; word < end; word++) {
        *word = PAINT;
    }
}

/* The lowest address that was written to since the stack below `top` was painted. */
SHOAL_LINK PAINTS static uintptr_t lowest(uintptr_t bottom, uintptr_t top) {
    const volatile uint32_t *word = (const volatile uint32_t *)bottom;
    while ((uintptr_t)word < top && *word == PAINT) {
        word++;
    }
    return (uintptr_t)word;
}

SHOAL_LINK PAINTS void measure_start(void) {
    hal_memory_map memory = hal_memory();
    deepest = memory.stack_top;
    paint(memory.stack_bottom);
}

SHOAL_LINK PAINTS measurement measure(unsigned first, unsigned last, row_link *rows) {
    hal_memory_map memory = hal_memory();
    model_io io = {
        .read = rows_read,
        .write = rows_write,
        .fetch = rows_fetch,
        .ahead = SHOAL_NODE ? 0 : rows_ahead, /* a node takes what comes out of the ring at every tick */
        .context = rows,
    };
    measurement result;
    uintptr_t call = hal_stack_pointer();
    uintptr_t before = lowest(memory.stack_bottom, memory.stack_top);
    paint(memory.stack_bottom);
#if SHOAL_NODE
    under_way = rows;
#endif
    hal_trigger(true);
    uint64_t start = hal_cycles();
    if (last != 0) {
        image.run_steps(first, last, &io);
    } else {
        image.run(&io);
    }
    result.cycles = hal_cycles() - start - rows->cycles;
    hal_trigger(false);
    result.code = io.status;
    uintptr_t after = lowest(memory.stack_bottom, call);
    uintptr_t deeper = before < after ? before : after;
    deepest = deeper < deepest ? deeper : deepest;
    result.stack = (uint32_t)(call - after);
    result.stack_total = (uint32_t)(memory.stack_top - deepest);
    return result;
}

#if SHOAL_NODE
SHOAL_LINK void measure_aside(uint64_t cycles) {
    under_way->cycles += cycles;
}
#endif
