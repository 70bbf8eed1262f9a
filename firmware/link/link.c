#include "link.h"

#include "../runtime/fault.h"
#include "../runtime/model.h"
#include "../runtime/node.h"

enum {
    HISTORY = 8, /* requests that may be on the way at once */
    KEPT_ANSWER = 40,
    ASK_MICROSECONDS = 200000, /* for each try */
};

typedef struct {
    frame_receiver receiver;
    uint16_t session;
    uint16_t earlier; /* the session before: a late frame of its opening must not bring it back */
    uint16_t last;    /* sequence number of the last request that was run */
    uint16_t repeats;
#if SHOAL_NODE
    uint32_t sent;
#endif
    uint8_t status[HISTORY]; /* of the last requests, by sequence number */
    uint8_t kept_length;     /* the last answer, whole; 0 where it is made anew */
    uint8_t kept[KEPT_ANSWER];
} link_port;

static link_port ports[SHOAL_UARTS];
static uint8_t body[FRAME_MAX];
static uint8_t node = FIRST_NODE;
static bool busy;
static uint16_t ask_sequence;
#if SHOAL_NODE
static uint8_t routes[MODEL_NODES];
#endif

SHOAL_LINK uint8_t *link_room(void) {
    return body + FRAME_HEADER + 1;
}

SHOAL_LINK uint16_t link_repeats(unsigned port) {
    return ports[port].repeats;
}

SHOAL_LINK uint8_t link_node(void) {
    return node;
}

SHOAL_LINK static void fill_header(uint8_t *to, uint8_t destination, uint8_t type, uint16_t session,
                                   uint16_t sequence) {
    to[FRAME_VERSION_AT] = PROTOCOL;
    to[FRAME_SOURCE_AT] = node;
    to[FRAME_DESTINATION_AT] = destination;
    to[FRAME_TYPE_AT] = type;
    put16(to + FRAME_SESSION_AT, session);
    put16(to + FRAME_SEQUENCE_AT, sequence);
}

SHOAL_LINK static void send(unsigned port, uint8_t *from, uint8_t length) {
#if SHOAL_NODE
    ports[port].sent += (uint32_t)length + FRAME_CRC + 3; /* COBS, and a zero at each end */
#endif
    frame_send(port, from, length);
}

SHOAL_LINK static void send_answer(const link_request *request, uint8_t status, uint8_t length) {
    fill_header(body, request->source, (uint8_t)(request->type | MESSAGE_REPLY), request->session, request->sequence);
    body[FRAME_HEADER] = status;
    send(request->port, body, (uint8_t)(FRAME_HEADER + 1 + length));
}

SHOAL_LINK void link_answer(const link_request *request, uint8_t status, uint8_t length) {
    link_port *port = &ports[request->port];
    if ((request->type & MESSAGE_PURE) == 0) {
        port->status[request->sequence % HISTORY] = status;
        port->kept_length = length < KEPT_ANSWER ? length : KEPT_ANSWER;
        put_bytes(port->kept, link_room(), port->kept_length);
    }
    send_answer(request, status, length);
}

/* A session begins: numbers start over. Its opening may come twice, and an earlier one late. */
SHOAL_LINK static void open_session(const link_request *request) {
    link_port *port = &ports[request->port];
    if (request->session == NO_SESSION || request->session == port->earlier || request->sequence != 0 ||
        request->length != 1) {
        return;
    }
    if (request->session != port->session) {
        port->earlier = port->session;
        port->session = request->session;
        port->last = 0;
        port->repeats = 0;
        port->status[0] = STATUS_OK;
        port->kept_length = 0;
        if (!SHOAL_NODE) { /* a shoal's nodes have theirs from the start, and routes by it */
            node = request->payload[0];
        }
    }
    /* The last number tells an opening that came twice from two that chose the same session. */
    uint8_t *to = put16(put16(link_room(), SHOAL_RING_BYTES), port->last);
    put32(to, fault_starts());
    send_answer(request, STATUS_OK, 8);
}

/* Whether this request is to be run now; answers it otherwise, or lets it go. */
SHOAL_LINK static bool accept(const link_request *request) {
    link_port *port = &ports[request->port];
    if (request->type == MESSAGE_OPEN) {
        open_session(request);
        return false;
    }
    bool pure = (request->type & MESSAGE_PURE) != 0;
#if SHOAL_NODE
    const bool refused = (busy && !pure) || node_is_at_work(request->type);
#else
    const bool refused = busy;
#endif
    if (refused) {
        send_answer(request, STATUS_BUSY, 0);
        return false;
    }
    if (request->session == NO_SESSION && pure) {
        return true;
    }
    if (request->session != port->session || port->session == NO_SESSION) {
        send_answer(request, STATUS_NO_SESSION, 0);
        return false;
    }
    int ahead = (int16_t)(uint16_t)(request->sequence - port->last);
    if (ahead == 1) {
        port->last = request->sequence;
        return true;
    }
    if (ahead > 1) {
        put16(link_room(), (uint16_t)(port->last + 1u));
        send_answer(request, STATUS_GAP, 2);
        return false;
    }
    port->repeats++;
    if (pure) {
        return true;
    }
    if (ahead > -HISTORY) {
        uint8_t length = ahead == 0 ? port->kept_length : 0;
        put_bytes(link_room(), port->kept, length);
        send_answer(request, port->status[request->sequence % HISTORY], length);
    }
    return false;
}

#if SHOAL_NODE
/* A frame for another node goes on, never back; one for the host has the host at the end of either way. */
SHOAL_LINK static void forward(unsigned came, uint8_t *frame, uint8_t length) {
    const uint8_t destination = frame[FRAME_DESTINATION_AT];
    unsigned port = link_route(destination);
    if (port == came && destination == HOST_NODE) {
        port = came ^ 1u;
    }
    if (port != came && port < SHOAL_UARTS) {
        send(port, frame, length);
    }
}
#endif

/* The next whole frame that is for this node, from what has arrived on a port. */
SHOAL_LINK static bool next_frame(unsigned number, link_request *frame) {
    frame_receiver *receiver = &ports[number].receiver;
    for (int byte; (byte = hal_uart_get(number)) >= 0;) {
        uint8_t length = frame_receive(receiver, (uint8_t)byte);
        if (length == 0) {
            continue;
        }
        const uint8_t *from = receiver->body;
        uint8_t destination = from[FRAME_DESTINATION_AT];
        if (destination != node && destination != ANY_NODE) {
#if SHOAL_NODE
            forward(number, receiver->body, length);
#endif
            continue;
        }
        *frame = (link_request){
            .port = (uint8_t)number,
            .source = from[FRAME_SOURCE_AT],
            .type = from[FRAME_TYPE_AT],
            .length = (uint8_t)(length - FRAME_HEADER),
            .session = get16(from + FRAME_SESSION_AT),
            .sequence = get16(from + FRAME_SEQUENCE_AT),
            .payload = from + FRAME_HEADER,
        };
        if (from[FRAME_VERSION_AT] == PROTOCOL) {
            return true;
        }
        if ((frame->type & MESSAGE_REPLY) == 0) {
            send_answer(frame, STATUS_VERSION, 0);
        }
    }
    return false;
}

SHOAL_LINK static bool is_request(const link_request *frame) {
    return (frame->type & MESSAGE_REPLY) == 0 && (frame->type & MESSAGE_KIND) != MESSAGE_NOTICE;
}

/* An answer or a notice that nobody waits for here. */
SHOAL_LINK static void overhear(const link_request *frame) {
#if SHOAL_NODE
    node_heard(frame);
#else
    (void)frame;
#endif
}

SHOAL_LINK bool link_poll(link_request *request) {
    static unsigned turn; /* a busy port must not starve the other */
    for (unsigned i = 0; i < SHOAL_UARTS; i++) {
        turn = turn + 1 < SHOAL_UARTS ? turn + 1 : 0;
        while (next_frame(turn, request)) {
            if (!is_request(request)) {
                overhear(request);
            } else if (accept(request)) {
                return true;
            }
        }
    }
    return false;
}

/* Waits for the answer to our own question, as long as `left` microseconds, and turns away what else comes. */
SHOAL_LINK static bool await(const link_question *question, uint32_t left, link_request *answer) {
    for (;;) {
        for (unsigned number = 0; number < SHOAL_UARTS; number++) {
            while (next_frame(number, answer)) {
                if (is_request(answer)) {
                    if (accept(answer)) {
#if SHOAL_NODE
                        node_serve(answer);
#endif
                    }
                } else if (number == question->port && answer->type == (question->type | MESSAGE_REPLY) &&
                           answer->session == NO_SESSION && answer->sequence == ask_sequence && answer->length > 0) {
                    return true;
                } else {
                    overhear(answer);
                }
            }
        }
        if (left == 0) {
            return false;
        }
        hal_tick();
        left = hal_idle(left);
    }
}

/* A question as a frame: anew each time, for whoever was answered meanwhile was answered from the same buffer. */
SHOAL_LINK static void put_question(const link_question *question, uint16_t sequence) {
    fill_header(body, question->destination, question->type, NO_SESSION, sequence);
    uint8_t *to = put_bytes(body + FRAME_HEADER, question->head, question->head_length);
    to = put_bytes(to, question->data, question->data_length);
    send(question->port, body, (uint8_t)(to - body));
}

SHOAL_LINK void link_begin(const link_question *question) {
    ask_sequence++;
    put_question(question, ask_sequence);
}

SHOAL_LINK bool link_came(const link_question *question, bool wait, link_request *answer) {
    const bool held = busy;
    busy = true;
    bool answered = await(question, wait ? ASK_MICROSECONDS : 0, answer);
    busy = held;
    return answered;
}

SHOAL_LINK bool link_ask(const link_question *question, link_request *answer) {
    ask_sequence++;
    const bool held = busy;
    busy = true;
    bool answered = false;
    for (uint8_t tries = 0; tries < question->tries && !answered; tries++) {
        put_question(question, ask_sequence);
        answered = await(question, ASK_MICROSECONDS, answer);
    }
    busy = held;
    return answered;
}

SHOAL_LINK void link_notice(uint8_t type, const uint8_t *payload, uint8_t length) {
    uint8_t notice[FRAME_HEADER + NOTICE_BYTES + FRAME_CRC];
    fill_header(notice, HOST_NODE, type, NO_SESSION, 0);
    put_bytes(notice + FRAME_HEADER, payload, length);
    for (unsigned port = 0; port < (SHOAL_NODE ? SHOAL_UARTS : 1); port++) { /* the way may be broken */
        frame_send(port, notice, (uint8_t)(FRAME_HEADER + length));
    }
}

#if SHOAL_NODE
void link_start(void) {
    node = image.node;
    link_set_routes(image.routes);
}

SHOAL_LINK uint8_t link_route(uint8_t destination) {
    return destination < MODEL_NODES ? routes[destination] : MODEL_NO_ROUTE;
}

SHOAL_LINK void link_set_routes(const uint8_t *to) {
    put_bytes(routes, to, MODEL_NODES);
}

SHOAL_LINK void link_send(const link_question *question, uint16_t sequence) {
    if (question->port < SHOAL_UARTS) {
        put_question(question, sequence);
    }
}

SHOAL_LINK void link_tell(uint8_t port, uint8_t destination, uint8_t type, const uint8_t *payload, uint8_t length) {
    if (port < SHOAL_UARTS) {
        fill_header(body, destination, type, NO_SESSION, 0);
        put_bytes(body + FRAME_HEADER, payload, length);
        send(port, body, (uint8_t)(FRAME_HEADER + length));
    }
}

SHOAL_LINK void link_hold(bool up) {
    busy = up;
}

SHOAL_LINK uint32_t link_sent(unsigned port) {
    return ports[port].sent;
}
#endif
