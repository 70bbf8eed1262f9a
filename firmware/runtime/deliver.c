#include "deliver.h"

#include "chunks.h"
#include "node.h"

#if SHOAL_NODE

enum {
    TRIES = 10,           /* until a node counts as lost */
    ANSWER_US = 200000,   /* how long an answer is waited for */
    SLOWEST_US = 1000000, /* between two tries at most */
    AGAIN_US = 100000,    /* for a node that is full, if it does not call first */
    HEAD_MOST = 48,       /* bytes of the longest, DONE */
    PIECE_BYTES = FRAME_PAYLOAD - DELIVER_HEADER,
};

/* The question that is out, or was last. */
static struct {
    bool open;    /* an answer to it would still be right */
    bool awaited; /* it is waited for */
    uint8_t type;
    uint8_t way;   /* the output that it is about; the number of outputs: telling the host */
    uint8_t node;  /* who is asked */
    uint8_t port;  /* and by which port */
    uint8_t count; /* bytes of the tensor that it carries */
    uint16_t sequence;
    uint32_t at;     /* when it was asked, in microseconds */
    uint32_t cycles; /* and by the core's counter */
} question;

/* What is known of each node, by its number. */
static uint32_t begun;   /* told of the inference */
static uint32_t resting; /* not to be asked before its time */
static uint8_t tries[MODEL_NODES];
static uint32_t due[MODEL_NODES];

static uint32_t sent[PLAN_WAYS]; /* bytes of each output that have been taken */
static uint32_t delivered;       /* outputs of which all has */
static bool told;
static uint32_t given;          /* bytes taken, of this inference */
static uint32_t bytes_out;      /* and since the epoch began */
static uint16_t repeats_before; /* this inference */
static uint16_t repeats;

static struct {
    uint32_t round_trip;
    uint32_t bytes;
    uint32_t cycles;
    uint32_t started;
} wires[SHOAL_UARTS];

SHOAL_LINK static uint8_t outputs(void) {
    return (uint8_t)plan_outputs(&chunks_sending()->part);
}

SHOAL_LINK static uint32_t all(void) {
    return (1u << outputs()) - 1u;
}

/* The node at which a way ends. */
SHOAL_LINK static uint8_t end_of(unsigned way) {
    return way < outputs() ? plan_output(&chunks_sending()->part, way)[2] : HOST_NODE;
}

SHOAL_LINK void deliver_begin(void) {
    const inference *from = chunks_sending();
    for (unsigned i = 0; i < PLAN_WAYS; i++) {
        sent[i] = 0;
    }
    begun = 0;
    told = false;
    given = 0;
    repeats_before = repeats;
    delivered = from->measured.code == 0 ? 0 : all();
    question.open = question.awaited = false;
    question.way = 0;
}

SHOAL_LINK void deliver_forget(void) {
    question.open = question.awaited = false;
    resting = 0;
    bytes_out = 0;
    repeats = 0;
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        tries[i] = 0;
    }
}

SHOAL_LINK bool deliver_is_done(void) {
    return told && delivered == all();
}

SHOAL_LINK static void rest(uint8_t node, uint32_t microseconds) {
    resting = with(resting, node);
    due[node] = node_now() + microseconds;
}

/* Tells the host, and goes on slowly. */
SHOAL_LINK static void lose(uint8_t node, uint8_t status) {
    const uint8_t lost[] = {node, status};
    tries[node] = TRIES;
    rest(node, SLOWEST_US);
    for (uint8_t port = 0; port < SHOAL_UARTS; port++) { /* the way may be broken */
        link_tell(port, HOST_NODE, MESSAGE_LOST, lost, sizeof lost);
    }
}

SHOAL_LINK static void unanswered(void) {
    const uint8_t node = question.node;
    question.awaited = false;
    repeats++;
    tries[node]++;
    if (tries[node] >= TRIES) {
        lose(node, STATUS_NO_ANSWER);
        return;
    }
    uint32_t wait = ANSWER_US;
    for (uint8_t i = 1; i < tries[node] && wait < SLOWEST_US; i++) {
        wait *= 2;
    }
    rest(node, (wait < SLOWEST_US ? wait : SLOWEST_US) - ANSWER_US);
}

/* Whether something may be asked now in a way. The host is told last, but is not kept waiting by who is lost. */
SHOAL_LINK static bool may_ask(unsigned way) {
    if (has(resting, end_of(way))) {
        return false;
    }
    if (way < outputs()) {
        return !has(delivered, way);
    }
    for (unsigned i = 0; i < outputs(); i++) {
        if (!has(delivered, i) && tries[end_of(i)] < TRIES) {
            return false;
        }
    }
    return !told;
}

/* Ends the rest of those whose time has come; returns how long it is to the next. */
SHOAL_LINK static uint32_t wake(void) {
    uint32_t soonest = NODE_LONGEST;
    const uint32_t now = node_now();
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        const int32_t left = (int32_t)(due[i] - now);
        if (!has(resting, i)) {
            continue;
        }
        if (left <= 0) {
            resting = without(resting, i);
        } else if ((uint32_t)left < soonest) {
            soonest = (uint32_t)left;
        }
    }
    return soonest;
}

SHOAL_LINK static uint8_t *put_done(uint8_t *to, const inference *from) {
    const measurement *measured = &from->measured;
    to = put64(to, measured->cycles);
    to = put32(put32(to, measured->stack), measured->stack_total);
    *to++ = chunks_waiting();
    to = put32(put32(to, from->bytes_in), given);
    to = put64(put16(to, (uint16_t)(repeats - repeats_before)), from->link_cycles);
    *to++ = from->short_of ? 1 : 0;
    return put32(to, (uint32_t)measured->code);
}

/* The next piece of an output; `asked` gets its bytes. */
SHOAL_LINK static uint8_t *put_piece(uint8_t *to, unsigned way, link_question *asked) {
    const model_crossing *tensor = plan_given(&chunks_sending()->part, way);
    const uint32_t offset = sent[way];
    const uint32_t room = offset == 0 ? PIECE_BYTES - CROSSING_HEADER : PIECE_BYTES;
    const uint32_t left = tensor->bytes - offset;
    asked->data = chunks_output(way) + offset;
    asked->data_length = (uint8_t)(left < room ? left : room);
    to = put16(to, tensor->index);
    *to++ = (uint8_t)((left <= room ? DELIVER_LAST : 0) | (offset == 0 ? DELIVER_HEADED : 0));
    to = put32(to, offset);
    return offset == 0 ? plan_put_crossing(to, tensor) : to;
}

SHOAL_LINK static void ask(uint8_t way) {
    const inference *from = chunks_sending();
    uint8_t head[HEAD_MOST];
    link_question asked; /* filled in by hand: a compiler clears what is left out by a call of memset */
    asked.destination = end_of(way);
    asked.port = link_route(asked.destination);
    asked.tries = 1;
    asked.head = head;
    asked.data = head;
    asked.data_length = 0;
    uint8_t *to = put32(put32(head, chunks_epoch()), from->number);
    if (way == outputs()) {
        asked.type = MESSAGE_DONE;
        to = put_done(to, from);
    } else if (!has(begun, asked.destination)) {
        asked.type = MESSAGE_BEGIN;
        asked.data = from->packet;
        asked.data_length = from->length;
    } else {
        asked.type = MESSAGE_DELIVER;
        to = put_piece(to, way, &asked);
    }
    asked.head_length = (uint8_t)(to - head);
    if (!question.open || question.way != way) { /* else it is the same question again, and any answer to it will do */
        question.sequence++;
    }
    question.open = question.awaited = true;
    question.type = asked.type;
    question.way = way;
    question.node = asked.destination;
    question.port = asked.port;
    question.count = asked.data_length;
    question.at = node_now();
    question.cycles = (uint32_t)hal_cycles();
    if (asked.type == MESSAGE_DELIVER && sent[way] == 0 && asked.port < SHOAL_UARTS) {
        wires[asked.port].started = question.cycles;
    }
    link_send(&asked, question.sequence);
}

SHOAL_LINK uint32_t deliver_step(void) {
    if (chunks_sending() == 0 || deliver_is_done()) {
        return NODE_LONGEST;
    }
    if (question.awaited) {
        const uint32_t passed = node_now() - question.at;
        if (passed < ANSWER_US) {
            return ANSWER_US - passed;
        }
        unanswered();
    }
    const uint32_t soonest = wake();
    for (uint8_t i = 0, way = question.way; i <= outputs(); i++) {
        if (may_ask(way)) {
            ask(way);
            return 0;
        }
        way = way < outputs() ? (uint8_t)(way + 1) : 0;
    }
    return soonest;
}

/* The piece that was asked about was taken. */
SHOAL_LINK static void advance(void) {
    const uint8_t way = question.way;
    const uint32_t bytes = plan_given(&chunks_sending()->part, way)->bytes;
    sent[way] += question.count;
    given += question.count;
    bytes_out += question.count;
    if (sent[way] == bytes) {
        delivered = with(delivered, way);
    }
    if (question.port < SHOAL_UARTS) {
        const uint32_t now = (uint32_t)hal_cycles();
        wires[question.port].round_trip = now - question.cycles;
        if (sent[way] == bytes) {
            wires[question.port].bytes = bytes;
            wires[question.port].cycles = now - wires[question.port].started;
        }
    }
}

SHOAL_LINK static void accepted(void) {
    tries[question.node] = 0;
    switch (question.type) {
    case MESSAGE_BEGIN:
        begun = with(begun, question.node);
        break;
    case MESSAGE_DELIVER:
        advance();
        break;
    default:
        told = true;
        chunks_sent();
        break;
    }
}

/* The receiver lacks an earlier piece, or has later ones. */
SHOAL_LINK static void resume(const link_request *answer) {
    const uint32_t wanted = answer->length == 5 ? get32(answer->payload + 1) : 0;
    if (question.type == MESSAGE_DELIVER && wanted < plan_given(&chunks_sending()->part, question.way)->bytes) {
        sent[question.way] = wanted;
    }
    rest(question.node, AGAIN_US);
}

SHOAL_LINK void deliver_heard(const link_request *frame) {
    if (frame->source >= MODEL_NODES) {
        return;
    }
    if (frame->type == MESSAGE_READY) {
        resting = without(resting, frame->source);
        return;
    }
    if (!question.open || frame->source != question.node || frame->type != (question.type | MESSAGE_REPLY) ||
        frame->session != NO_SESSION || frame->sequence != question.sequence || frame->length == 0) {
        return;
    }
    question.open = question.awaited = false;
    switch (frame->payload[0]) {
    case STATUS_OK:
        accepted();
        break;
    case STATUS_GAP:
        resume(frame);
        break;
    case STATUS_NO_BEGIN:
        begun = without(begun, question.node);
        rest(question.node, AGAIN_US);
        break;
    case STATUS_FULL:
    case STATUS_BUSY:
        tries[question.node] = 0;
        rest(question.node, AGAIN_US);
        break;
    default:
        lose(question.node, frame->payload[0]);
        break;
    }
}

SHOAL_LINK uint8_t deliver_stuck(void) {
    for (unsigned way = 0; chunks_sending() != 0 && !deliver_is_done() && way <= outputs(); way++) {
        const bool done = way < outputs() ? has(delivered, way) : told;
        if (!done && (tries[end_of(way)] > 0 || has(resting, end_of(way)))) {
            return end_of(way);
        }
    }
    return MODEL_NO_ROUTE;
}

SHOAL_LINK uint8_t *deliver_state(uint8_t *to) {
    to = put16(put32(to, bytes_out), repeats);
    for (unsigned port = 0; port < SHOAL_UARTS; port++) {
        to = put32(put32(to, link_sent(port)), wires[port].round_trip);
        to = put32(put32(to, wires[port].bytes), wires[port].cycles);
    }
    return to;
}

#endif
