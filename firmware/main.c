/* The firmware of every board: serves the model over the serial line. */
#include "hal/hal.h"
#include "runtime/fault.h"
#include "runtime/measure.h"
#include "runtime/model.h"
#include "runtime/node.h"
#include "runtime/server.h"

#if defined(SHOAL_WATCHDOG_MS)
#define LONGEST_SLEEP (SHOAL_WATCHDOG_MS * 250u) /* microseconds: a quarter of its time */
#else
#define LONGEST_SLEEP HAL_FOREVER
#endif

int main(void) {
    hal_init();
    measure_start();
#if SHOAL_NODE
    node_start();
#endif
    fault_start();
    if (image.reset != 0) {
        image.reset(); /* the arena, and a model's state in it, is not zeroed at start */
    }
#if SHOAL_NODE
    for (;;) {
        hal_tick();
        const bool served = server_step();
        uint32_t wait = node_step();
        wait = wait < LONGEST_SLEEP ? wait : LONGEST_SLEEP;
        if (!served && wait > 0) {
            node_slept(wait - hal_idle(wait));
        }
    }
#else
    for (;;) {
        hal_tick();
        if (!server_step()) {
            (void)hal_idle(LONGEST_SLEEP);
        }
    }
#endif
}
