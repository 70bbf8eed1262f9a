#include "bare.h"

extern uint32_t _data_load[], _data_start[], _data_end[], _bss_start[], _bss_end[], _noinit_start[], _noinit_end[];
extern const uint8_t _build_id_note[];

_Noreturn void bare_start(void) {
    const uint32_t *from = _data_load;
    for (uint32_t *to = _data_start; to < _data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = _bss_start; to < _bss_end; to++) {
        *to = 0;
    }
    main();
    hal_reset();
}

static bool within(uintptr_t address, uint32_t size, const uint32_t *bottom, const uint32_t *top) {
    return address >= (uintptr_t)bottom && address + size <= (uintptr_t)top;
}

bool bare_on_stack(uintptr_t address, uint32_t size) {
    return within(address, size, _stack_bottom, _stack_top) ||
           within(address, size, _handler_stack_bottom, _handler_stack_top);
}

SHOAL_LINK const uint8_t *hal_build_id(uint32_t *size) {
    enum {
        NOTE_HEADER = 16,
        DESCRIPTION_SIZE = 4
    }; /* three words and "GNU\0"; the second word is the id's size */
    *size = _build_id_note[DESCRIPTION_SIZE];
    return _build_id_note + NOTE_HEADER;
}

SHOAL_LINK static uint32_t span(const uint32_t *start, const uint32_t *end) {
    return (uint32_t)((uintptr_t)end - (uintptr_t)start);
}

SHOAL_LINK hal_memory_map hal_memory(void) {
    return (hal_memory_map){
        .stack_bottom = (uintptr_t)_stack_bottom,
        .stack_top = (uintptr_t)_stack_top,
        .static_bytes = span(_handler_stack_bottom, _handler_stack_top) + span(_data_start, _data_end) +
                        span(_bss_start, _bss_end) + span(_noinit_start, _noinit_end),
    };
}
