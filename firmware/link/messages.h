/* Messages: what frames mean. docs/link.md has the bytes; host/shoal/link/messages.py is the other side. */
#ifndef SHOAL_MESSAGES_H
#define SHOAL_MESSAGES_H

enum {
    PROTOCOL = 1,
    ANY_NODE = 0xFF,
    HOST_NODE = 0,
    FIRST_NODE = 1, /* a node's own number until it is told another */
    NO_SESSION = 0, /* of notices, and of requests that change nothing and need no order */
};

enum {
    /* run once, whatever the line does */
    MESSAGE_OPEN = 0x01,
    MESSAGE_PLAN = 0x02,
    MESSAGE_WRITE = 0x03,
    MESSAGE_RUN = 0x04,
    MESSAGE_RUN_STEPS = 0x05,
    MESSAGE_RESET = 0x06,
    MESSAGE_PROVOKE = 0x07,
    MESSAGE_ASK = 0x08,
    MESSAGE_ROUTE = 0x09,
    /* notices: nobody answers them */
    MESSAGE_FAULT = 0x30,
    MESSAGE_STARTED = 0x31,
    MESSAGE_LOST = 0x32,
    MESSAGE_READY = 0x33,
    /* come to the same however often they run, so a repeated one is simply run again */
    MESSAGE_IDENTIFY = 0x40,
    MESSAGE_TENSORS = 0x41,
    MESSAGE_READ = 0x42,
    MESSAGE_ECHO = 0x43,
    /* what a node asks while it runs: rows of an input, and to take rows of an output */
    MESSAGE_PULL = 0x44,
    MESSAGE_PUSH = 0x45,
    /* what the nodes of a shoal ask each other */
    MESSAGE_START = 0x46,
    MESSAGE_BEGIN = 0x47,
    MESSAGE_DELIVER = 0x48,
    MESSAGE_DONE = 0x49,
    MESSAGE_RELEASE = 0x4A,
    MESSAGE_STATE = 0x4B,

    MESSAGE_PURE = 0x40,
    MESSAGE_NOTICE = 0x30, /* of those bits */
    MESSAGE_KIND = 0xF0,
    MESSAGE_REPLY = 0x80,
};

enum {
    STATUS_OK = 0,
    STATUS_UNKNOWN = 1,
    STATUS_MALFORMED = 2,
    STATUS_NO_SESSION = 3,
    STATUS_GAP = 4,
    STATUS_BUSY = 5,
    STATUS_VERSION = 6,
    STATUS_RANGE = 7,
    STATUS_NO_PLAN = 8,
    STATUS_MODEL = 9,
    STATUS_NO_ANSWER = 10,
    STATUS_FULL = 11,
    STATUS_EPOCH = 12,
    STATUS_NO_BEGIN = 13,
    /* why a plan packet is refused; each is followed by the value that it is about */
    STATUS_PLAN_VERSION = 16,
    STATUS_PLAN_ASSIGNMENTS = 17,
    STATUS_PLAN_NODE = 18,
    STATUS_PLAN_VARIANT = 19,
    STATUS_PLAN_FIRST = 20,
    STATUS_PLAN_LAST = 21,
    STATUS_PLAN_MASK = 22,
    STATUS_PLAN_TENSORS = 23,
    STATUS_ENCODING = 24,
};

enum {
    SPACE_INPUT = 0,
    SPACE_OUTPUT = 1,
    SPACE_ARENA = 2,
    SPACE_STORE = 3,
};

enum {
    PLAN_PACKET_VERSION = 2,
    PLAN_LAST_BOUNDARY = 0xFFFF,
    /* where a plan packet has what */
    PLAN_FLAGS_AT = 1,
    PLAN_COUNT_AT = 2,
    PLAN_HEADER = 3,
    /* where an assignment has what, before its inputs (2 bytes each) and outputs (3 bytes each) */
    ASSIGNMENT_NODE_AT = 0,
    ASSIGNMENT_VARIANT_AT = 1,
    ASSIGNMENT_FIRST_AT = 2,
    ASSIGNMENT_LAST_AT = 4,
    ASSIGNMENT_MASK_AT = 6,
    ASSIGNMENT_QUORUM_AT = 10,
    ASSIGNMENT_DEADLINE_AT = 11,
    ASSIGNMENT_AFTER_AT = 13,
    ASSIGNMENT_INPUTS_AT = 14,
    ASSIGNMENT_OUTPUTS_AT = 15,
    ASSIGNMENT_HEADER = 16,
    /* of a DELIVER: epoch, inference, tensor, flags, offset; then, where the flag says so, how the tensor is encoded:
     * tensor, dtype, bits, packing, reserved, lo, hi, bytes */
    DELIVER_HEADER = 15,
    DELIVER_LAST = 1,
    DELIVER_HEADED = 2,
    CROSSING_HEADER = 18,
};

#endif
