/* Answers requests: says who this is, takes inputs, runs the model, gives outputs. */
#ifndef SHOAL_SERVER_H
#define SHOAL_SERVER_H

#include "../link/link.h"

/* Runs one request if one has arrived; false where there was none. */
bool server_step(void);

/* Runs a request that comes to the same however often it runs; for a shoal's node, also while its model runs. */
void server_serve(const link_request *request);

/* The plan that a session gave is over. */
void server_forget(void);

#endif
