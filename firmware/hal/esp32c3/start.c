/* Reset and traps. The ROM finds the magic words at the start of the flash, maps it, and jumps to _start. */
#include "../bare/bare.h"

/* How far below its bottom an address still tells of main's stack: no frame of ours is larger. */
#define BELOW_STACK 4096u

#define NOWHERE 0x20000000u /* a hole in the address map */

enum {
    CAUSE_FETCH_FAULT = 1,
    CAUSE_LOAD_FAULT = 5,
    CAUSE_STORE_FAULT = 7
};

void trap_entry(void);

/* This core's vectors are always a table, whose first entry takes all exceptions; no interrupt is ever enabled. The
 * handler gets its own stack: main's may be what overflowed. */
__asm(".section .text.entry, \"ax\"\n"
      ".global _start\n"
      "_start:\n"
      ".option push\n"
      ".option norelax\n"
      "la gp, __global_pointer$\n"
      ".option pop\n"
      "la sp, _stack_top\n"
      "la t0, trap_entry\n"
      "csrw mtvec, t0\n"
      "j guard_and_start\n"
      ".section .text.isr, \"ax\"\n"
      ".balign 256\n"
      ".global trap_entry\n"
      "trap_entry:\n"
      "csrw mscratch, sp\n"
      "la sp, _handler_stack_top\n"
      "j trap_report\n"
      ".text\n");

#define CSR_READ(name, variable) __asm volatile("csrr %0, " name : "=r"(variable))

/* Makes the 4 KiB below the stack inaccessible, locked so that it holds in machine mode: naturally aligned power of
 * two, no permission. The address of such a region carries its size in its low bits. */
static void guard_stack(void) {
    enum {
        PMP_LOCKED_NAPOT = 0x98
    };
    uint32_t address = ((uint32_t)(uintptr_t)_stack_bottom - BELOW_STACK) >> 2 | ((BELOW_STACK >> 3) - 1u);
    __asm volatile("csrw pmpaddr0, %0\n csrw pmpcfg0, %1" ::"r"(address), "r"(PMP_LOCKED_NAPOT));
}

__attribute__((used)) static _Noreturn void guard_and_start(void) {
    guard_stack();
    bare_start();
}

__attribute__((used)) static _Noreturn void trap_report(void) {
    hal_fault fault = {.kind = HAL_FAULT_HARD};
    CSR_READ("mcause", fault.status);
    CSR_READ("mepc", fault.pc);
    CSR_READ("mtval", fault.address);
    CSR_READ("mscratch", fault.stack);
    uint32_t bottom = (uint32_t)(uintptr_t)_stack_bottom;
    bool access =
        fault.status == CAUSE_FETCH_FAULT || fault.status == CAUSE_LOAD_FAULT || fault.status == CAUSE_STORE_FAULT;
    if (fault.stack < bottom || (access && fault.address < bottom && bottom - fault.address <= BELOW_STACK)) {
        fault.kind = HAL_FAULT_STACK_OVERFLOW;
    } else if (access) {
        fault.kind = HAL_FAULT_BUS;
    }
    fault_raised(&fault);
}

void hal_provoke(uint32_t kind) {
    if (kind == HAL_FAULT_BUS) {
        (void)*(volatile uint32_t *)NOWHERE;
    } else if (kind == HAL_FAULT_HARD) {
        __asm volatile("unimp");
    } else if (kind == HAL_FAULT_STACK_OVERFLOW) {
        __asm volatile("mv t0, sp\n mv sp, %0\n sw t0, -4(sp)\n mv sp, t0" ::"r"(_stack_bottom) : "t0", "memory");
    }
}
