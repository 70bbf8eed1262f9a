/* Vectors and reset. Main runs on the process stack at the bottom of RAM, handlers on their own: an overflow of main's
 * stack leaves RAM, faults, and still finds a stack to report it on. */
#include "cortexm.h"
#include "../bare/bare.h"
#include "family.h"

void fault_entry(void);
void _start(void);

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))_handler_stack_top,
    _start,
    [2 ... 15] = fault_entry, /* NMI, faults, and the exceptions that nothing here raises */
    [16 ... 15 + FAMILY_INTERRUPTS] = cortexm_interrupt,
};

__attribute__((used)) static _Noreturn void start(void) {
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
#if defined(__ARM_FP)
    SCB_CPACR |= SCB_CPACR_FPU;
    cortexm_barrier();
#endif
    SCB_CCR |= SCB_CCR_STKALIGN | SCB_CCR_DIV_0_TRP;
    SCB_SHCSR |= SCB_SHCSR_FAULTS;
    bare_start();
}

__attribute__((naked)) void _start(void) {
    __asm volatile("ldr r0, =_stack_top\n"
                   "msr psp, r0\n"
                   "movs r0, #2\n" /* CONTROL.SPSEL: thread mode uses the process stack */
                   "msr control, r0\n"
                   "isb\n"
                   "b %0\n" ::"i"(start));
}
