#include "node.h"

#include "chunks.h"
#include "deliver.h"
#include "measure.h"
#include "server.h"

#if SHOAL_NODE

enum {
    SERVED_MOST = 8, /* requests between two steps: a babbling line must not stop the model */
};

static uint32_t now;
static uint32_t counted;         /* the core's counter when `now` was */
static uint32_t per_microsecond; /* 0: no counter */

void node_start(void) {
    link_start();
    per_microsecond = hal_has_cycles() ? hal_clock_hz() / 1000000u : 0;
}

SHOAL_LINK uint32_t node_now(void) {
    if (per_microsecond != 0) {
        const uint32_t passed = ((uint32_t)hal_cycles() - counted) / per_microsecond;
        counted += passed * per_microsecond;
        now += passed;
    }
    return now;
}

void node_slept(uint32_t microseconds) {
    now += microseconds;
    counted = (uint32_t)hal_cycles(); /* which may or may not have counted meanwhile */
}

SHOAL_LINK void node_heard(const link_request *frame) {
    deliver_heard(frame);
}

SHOAL_LINK bool node_is_at_work(uint8_t type) {
    return chunks_busy() &&
           (type == MESSAGE_WRITE || type == MESSAGE_READ || type == MESSAGE_RUN || type == MESSAGE_RUN_STEPS);
}

SHOAL_LINK void node_serve(const link_request *request) {
    server_serve(request);
}

uint32_t node_step(void) {
    const uint32_t run = chunks_step();
    const uint32_t send = deliver_step();
    (void)node_now(); /* what was counted up to here is no sleep */
    return run < send ? run : send;
}

SHOAL_LINK void node_tick(void) {
    link_request request;
    const uint64_t start = hal_cycles();
    hal_tick();
    link_hold(true);
    for (unsigned i = 0; i < SERVED_MOST && link_poll(&request); i++) {
        server_serve(&request);
    }
    link_hold(false);
    measure_aside(hal_cycles() - start);
}

#endif
