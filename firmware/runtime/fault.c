#include "fault.h"

#include "../link/link.h"

#include <stddef.h>

typedef struct {
    uint32_t starts;
    uint32_t fault_start;
    hal_fault fault;
    uint32_t crc;
} record;

static SHOAL_NOINIT record kept;

SHOAL_LINK static uint32_t check(void) {
    return frame_crc((const uint8_t *)&kept, offsetof(record, crc));
}

SHOAL_LINK uint32_t fault_starts(void) {
    return kept.starts;
}

SHOAL_LINK uint8_t *fault_put(uint8_t *to) {
    const hal_fault *fault = &kept.fault;
    to = put32(put32(put32(to, kept.fault_start), fault->kind), fault->address);
    return put32(put32(put32(to, fault->pc), fault->status), fault->stack);
}

SHOAL_LINK static void notice(uint8_t type) {
    uint8_t bytes[NOTICE_BYTES];
    put32(fault_put(bytes), kept.starts);
    link_notice(type, bytes, sizeof bytes);
}

void fault_start(void) {
    if (kept.crc != check()) { /* power came: what lies there is nothing yet */
        kept.starts = 0;
        kept.fault_start = 0;
        kept.fault.kind = HAL_FAULT_NONE;
        kept.fault.address = kept.fault.pc = kept.fault.status = kept.fault.stack = 0;
    }
    kept.starts++;
    kept.crc = check();
    notice(MESSAGE_STARTED);
}

SHOAL_LINK _Noreturn void fault_raised(const hal_fault *fault) {
    kept.fault_start = kept.starts;
    kept.fault.kind = fault->kind;
    kept.fault.address = fault->address;
    kept.fault.pc = fault->pc;
    kept.fault.status = fault->status;
    kept.fault.stack = fault->stack;
    kept.crc = check();
    notice(MESSAGE_FAULT);
    hal_uart_flush(0);
    hal_reset();
}
