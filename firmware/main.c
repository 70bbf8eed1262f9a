/* The firmware of every board: serves the model over the serial line. */
#include "hal/hal.h"
#include "runtime/fault.h"
#include "runtime/measure.h"
#include "runtime/model.h"
#include "runtime/server.h"

#if defined(SHOAL_WATCHDOG_MS)
#define LONGEST_SLEEP (SHOAL_WATCHDOG_MS * 250u) /* microseconds: a quarter of its time */
#else
#define LONGEST_SLEEP HAL_FOREVER
#endif

int main(void) {
    hal_init();
    measure_start();
    fault_start();
    if (image.reset != 0) {
        image.reset(); /* the arena, and a model's state in it, is not zeroed at start */
    }
    for (;;) {
        hal_tick();
        if (!server_step()) {
            (void)hal_idle(LONGEST_SLEEP);
        }
    }
}
