/* Answers requests: says who this is, takes inputs, runs the model, gives outputs. */
#ifndef SHOAL_SERVER_H
#define SHOAL_SERVER_H

#include <stdbool.h>

/* Runs one request if one has arrived; false where there was none. */
bool server_step(void);

#endif
