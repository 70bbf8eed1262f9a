/* A node of a shoal: serves its host and its neighbours, also while the chunk computes, and keeps the time. Only where
 * SHOAL_NODE is 1; everything else here is then called from these. */
#ifndef SHOAL_RUNTIME_NODE_H
#define SHOAL_RUNTIME_NODE_H

#include "../link/link.h"

enum {
    NODE_LONGEST = 500000, /* microseconds of sleep at most */
};

/* Call it once, early. */
void node_start(void);

/* Does what there is to do; returns how many microseconds may pass until there is more. */
uint32_t node_step(void);

/* So many microseconds were slept. */
void node_slept(uint32_t microseconds);

/* Instead of hal_tick between the model's steps. */
void node_tick(void);

/* Microseconds since the start, modulo 2^32: of sleep, and of what the core's counter says where there is one. Else
 * time stands still while it computes, and every wait is longer by that. */
uint32_t node_now(void);

/* Whether the arena is in use that a request of this type would use. */
bool node_is_at_work(uint8_t type);

/* A request that may be run at any time; answers it. */
void node_serve(const link_request *request);

/* An answer or a notice. */
void node_heard(const link_request *frame);

#endif
