/* The chunk that a shoal's node runs: what comes for it, its runs, what it keeps. Two inferences at most are here at a
 * time, one that is received and one that runs or is being sent on. docs/shoal.md says how they go through. */
#ifndef SHOAL_CHUNKS_H
#define SHOAL_CHUNKS_H

#include "measure.h"
#include "plan.h"

/* An inference at this node. */
typedef struct {
    bool taken;
    bool in_place; /* received into, or kept in, the tensors' own places */
    bool short_of; /* ran with a quorum, zeros for what was missing */
    uint8_t length;
    uint32_t number;
    plan_part part;
    uint32_t bytes_in;
    measurement measured;
    uint64_t link_cycles;
    uint8_t packet[PLAN_MOST];
} inference;

/* What the nodes of a shoal ask: START, BEGIN, DELIVER, RELEASE, STATE. May be called while the chunk runs. */
reply chunks_request(const link_request *request);

/* Runs the chunk if its inputs are there; else how many microseconds it may be until a quorum is due. */
uint32_t chunks_step(void);

/* The inference whose outputs are to go out; null where there is none. */
const inference *chunks_sending(void);

/* The bytes that leave in a way of it. */
const uint8_t *chunks_output(unsigned way);

/* Inferences that wait for it to be gone. */
uint8_t chunks_waiting(void);

/* All its ways are done, and the host was told. */
void chunks_sent(void);

uint32_t chunks_epoch(void);

/* Whether the arena is an inference's, or what a session does with it. */
bool chunks_busy(void);

/* A session's own use of the model begins: no epoch goes on. */
void chunks_leave(void);

/* A session's own run begins or ends. */
void chunks_occupy(bool up);

#endif
