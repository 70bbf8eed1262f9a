/* From a fault exception to fault_raised. */
#include "cortexm.h"
#include "../bare/bare.h"

enum {
    EXCEPTION_MEMORY = 4,
    EXCEPTION_BUS = 5
};
enum {
    FRAME_PC = 6,
    FRAME_WORDS = 8
};

/* How far below its bottom an address still tells of main's stack: no frame of ours is larger. */
#define BELOW_STACK 4096u

/* The stack pointer's own accesses failed, or some other just below the stack. */
static bool is_overflow(uint32_t status, uint32_t address, uint32_t stack) {
    uint32_t stacking = SCB_CFSR_MSTKERR | SCB_CFSR_MLSPERR | SCB_CFSR_STKERR | SCB_CFSR_LSPERR | SCB_CFSR_STKOF;
    uint32_t bottom = (uint32_t)(uintptr_t)_stack_bottom;
    bool below = address != 0u && address < bottom && bottom - address <= BELOW_STACK;
    return below || stack < bottom || (status & stacking) != 0u;
}

/* Whether the core could save a frame. Armv8-M saves none where its stack pointer would pass the limit: it then stands
 * at the limit. */
static bool is_saved(uint32_t status, uint32_t stack) {
    bool at_limit = (status & SCB_CFSR_STKOF) != 0u && stack == (uint32_t)(uintptr_t)_stack_bottom;
    return !at_limit && (status & (SCB_CFSR_MSTKERR | SCB_CFSR_STKERR)) == 0u;
}

__attribute__((used)) static _Noreturn void report(uintptr_t frame) {
    uint32_t exception, process_stack;
    __asm volatile("mrs %0, ipsr" : "=r"(exception));
    __asm volatile("mrs %0, psp" : "=r"(process_stack));
    uint32_t status = SCB_CFSR;
    hal_fault fault = {.kind = HAL_FAULT_HARD, .status = status, .stack = process_stack};
    if ((status & SCB_CFSR_MMARVALID) != 0u) {
        fault.address = SCB_MMFAR;
    } else if ((status & SCB_CFSR_BFARVALID) != 0u) {
        fault.address = SCB_BFAR;
    }
    if (is_saved(status, process_stack) && bare_on_stack(frame, FRAME_WORDS * sizeof(uint32_t))) {
        fault.pc = ((const uint32_t *)frame)[FRAME_PC];
    }
    if (is_overflow(status, fault.address, process_stack)) {
        fault.kind = HAL_FAULT_STACK_OVERFLOW;
        fault.address = fault.address != 0u ? fault.address : process_stack;
    } else if (exception == EXCEPTION_BUS || exception == EXCEPTION_MEMORY) {
        fault.kind = HAL_FAULT_BUS;
    }
    fault_raised(&fault);
}

/* Starts the handlers' stack afresh: what lies on it is not needed any more, and it may be what overflowed. */
__attribute__((naked)) void fault_entry(void) {
    __asm volatile("tst lr, #4\n" /* EXC_RETURN: which stack holds the frame */
                   "ite eq\n"
                   "mrseq r0, msp\n"
                   "mrsne r0, psp\n"
                   "ldr r1, =_handler_stack_top\n"
                   "msr msp, r1\n"
                   "b %0\n" ::"i"(report));
}

void hal_provoke(uint32_t kind) {
    if (kind == HAL_FAULT_BUS) {
        (void)REG32(CORTEXM_NOWHERE);
    } else if (kind == HAL_FAULT_HARD) {
        __asm volatile("udf #0");
    } else if (kind == HAL_FAULT_STACK_OVERFLOW) {
        __asm volatile("mov r1, sp\n mov sp, %0\n push {r0}\n dsb\n mov sp, r1" ::"r"(_stack_bottom) : "r1", "memory");
    }
}
