/* A firmware without a model that shows what a hal does: commands of one letter, answers of one line. */
#include "hal/hal.h"

static SHOAL_NOINIT uint32_t resets;
static SHOAL_NOINIT uint32_t resets_check;
static uint32_t data = 0x5EED5EEDu;
static uint32_t bss;

static uint8_t get(unsigned port) {
    for (;;) {
        int byte = hal_uart_get(port);
        if (byte >= 0) {
            return (uint8_t)byte;
        }
        (void)hal_idle(HAL_FOREVER);
    }
}

static void text(const char *string) {
    while (*string != '\0') {
        (void)hal_uart_put(0, (uint8_t)*string++);
    }
}

static void word(uint32_t value) {
    (void)hal_uart_put(0, ' ');
    for (unsigned shift = 32; shift > 0u; shift -= 4u) {
        (void)hal_uart_put(0, (uint8_t) "0123456789abcdef"[value >> (shift - 4u) & 0xFu]);
    }
}

static void end(void) {
    text("\n");
    hal_uart_flush(0);
}

_Noreturn void fault_raised(const hal_fault *fault) {
    text("fault");
    word(fault->kind);
    word(fault->address);
    word(fault->pc);
    word(fault->stack);
    end();
    hal_reset();
}

static void answer_start(void) {
    if (resets_check != ~resets) {
        resets = 0;
    } else {
        resets++;
    }
    resets_check = ~resets;
    text("start");
    word(resets);
    word(data);
    word(bss);
    end();
    data = 0;
    bss = 1;
}

static void answer_memory(void) {
    hal_memory_map map = hal_memory();
    text("memory");
    word((uint32_t)map.stack_bottom);
    word((uint32_t)map.stack_top);
    word(map.static_bytes);
    word((uint32_t)hal_stack_pointer());
    end();
}

static void answer_id(void) {
    uint32_t size;
    const uint8_t *id = hal_build_id(&size);
    text("id");
    for (uint32_t i = 0; i < size; i++) {
        word(id[i]);
    }
    end();
}

static void answer_sleep(void) {
    uint32_t left = 50000;
    uint32_t calls = 0;
    while (left > 0u) {
        left = hal_idle(left);
        calls++;
    }
    text("slept");
    word(calls);
    end();
}

static void answer_cycles(void) {
    uint64_t before = hal_cycles();
    hal_trigger(true);
    hal_tick();
    hal_trigger(false);
    text("cycles");
    word(hal_has_cycles());
    word((uint32_t)(hal_cycles() - before));
    end();
}

static void answer_second(void) {
#if SHOAL_UARTS > 1
    uint8_t byte = get(1);
    (void)hal_uart_put(1, byte);
    hal_uart_flush(1);
    text("second");
    word(byte + 1u);
    end();
#endif
}

int main(void) {
    hal_init();
    answer_start();
    for (;;) {
        switch (get(0)) {
        case 'c':
            text("clock");
            word(hal_clock_hz());
            end();
            break;
        case 'e':
            text("echo");
            word(get(0));
            end();
            break;
        case 'f':
            hal_provoke(get(0));
            text("nothing");
            end();
            break;
        case 'i':
            answer_id();
            break;
        case 'm':
            answer_memory();
            break;
        case 'r':
            hal_reset();
        case 's':
            answer_sleep();
            break;
        case 'y':
            answer_cycles();
            break;
        case '2':
            answer_second();
            break;
        default:
            break;
        }
    }
}
