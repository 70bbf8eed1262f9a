/* Sends on what a chunk gave: one question at a time, to each of its receivers in turn, until all have all of it and
 * the host was told. A receiver that is full or silent holds up none of the others. */
#ifndef SHOAL_DELIVER_H
#define SHOAL_DELIVER_H

#include "../link/link.h"

/* The outputs of chunks_sending() are there to be sent. */
void deliver_begin(void);

/* An epoch is over. */
void deliver_forget(void);

/* Asks what is due; returns how many microseconds it may be until more is. */
uint32_t deliver_step(void);

/* An answer, or a notice, of another node. */
void deliver_heard(const link_request *frame);

bool deliver_is_done(void);

/* The node that is full or does not answer; MODEL_NO_ROUTE where none is. */
uint8_t deliver_stuck(void);

/* Writes the end of an answer to STATE, from the bytes that were given on, and returns what follows it. */
uint8_t *deliver_state(uint8_t *to);

#endif
