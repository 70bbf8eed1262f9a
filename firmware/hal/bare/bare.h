/* What firmware without an operating system under it does alike on every core, with the linker script's symbols. */
#ifndef SHOAL_BARE_H
#define SHOAL_BARE_H

#include "../hal.h"

extern uint32_t _stack_bottom[], _stack_top[], _handler_stack_bottom[], _handler_stack_top[];

int main(void);

/* From reset to main, on main's stack: fills data and bss. */
_Noreturn void bare_start(void);

/* Whether a saved exception frame of this size can be read: it lies in main's stack or in the handlers'. */
bool bare_on_stack(uintptr_t address, uint32_t size);

#endif
