/* Requests and answers over frames, on each serial port: every request runs once and in order, and either end may
 * ask. host/shoal/link/client.py is the other side. */
#ifndef SHOAL_LINK_H
#define SHOAL_LINK_H

#include "frames.h"
#include "messages.h"

typedef struct {
    uint8_t port;
    uint8_t source;
    uint8_t type;
    uint8_t length;
    uint16_t session;
    uint16_t sequence;
    const uint8_t *payload; /* valid until the next byte of its port is taken */
} link_request;

/* Takes in what has arrived on all ports. True where a request is to be run; whoever runs it calls link_answer. */
bool link_poll(link_request *request);

/* Room for what follows the status in an answer, FRAME_PAYLOAD − 1 bytes; the request's payload lies elsewhere. */
uint8_t *link_room(void);

/* Answers with a status and `length` bytes of link_room, and remembers it for a repeated request. */
void link_answer(const link_request *request, uint8_t status, uint8_t length);

/* A question of this node's own: `head`, then `data`, are its payload, and stay as they are until it is answered.
 * `tries`: how often it is sent at most, a fifth of a second apart. */
typedef struct {
    uint8_t port;
    uint8_t destination;
    uint8_t type;
    uint8_t tries;
    uint8_t head_length;
    uint8_t data_length;
    const uint8_t *head;
    const uint8_t *data;
} link_question;

/* Asks the other end of a port what may be asked twice, and waits for its answer, a bounded time, with retries;
 * requests that come in meanwhile are told that this node is busy. `answer->payload` starts with a status; false where
 * no answer came. */
bool link_ask(const link_question *question, link_request *answer);

/* The same in two: a question is sent, once, and its answer may come while something else is done, as far as the port's
 * receive ring holds it. Any other question ends it. `link_came`: whether the answer is there, or comes in the time
 * that a question is given once. */
void link_begin(const link_question *question);
bool link_came(const link_question *question, bool wait, link_request *answer);

/* A frame that nobody answers, from any state: a fault may have stopped everything else. */
void link_notice(uint8_t type, const uint8_t *payload, uint8_t length);

/* Repeated requests since the session of this port began. */
uint16_t link_repeats(unsigned port);

uint8_t link_node(void);

/* Of a shoal's node. */

/* Takes number and routes from the image. Call it once. */
void link_start(void);

/* The port by which a node is reached, or MODEL_NO_ROUTE. */
uint8_t link_route(uint8_t destination);

/* Other routes: MODEL_NODES ports by node number. */
void link_set_routes(const uint8_t *ports);

/* Sends a question once and goes on; its answer comes to node_heard. */
void link_send(const link_question *question, uint16_t sequence);

/* Sends another node a notice, which has no answer. */
void link_tell(uint8_t port, uint8_t destination, uint8_t type, const uint8_t *payload, uint8_t length);

/* While it is up, requests of a session are told that this node is busy. */
void link_hold(bool up);

/* Bytes of frames that went out of a port. */
uint32_t link_sent(unsigned port);

#endif
