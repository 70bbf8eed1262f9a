/* A firmware without a model: for each byte n that comes in, runs loops whose instructions are known and answers n. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))
#define TEXT(name)   __attribute__((section(name), noinline, used))

extern uint32_t stack_top[];
volatile uint32_t rounds;
volatile uint32_t interrupts;

/* Not counted: runs between the model's steps. */
TEXT(".text.link") static void tick(void) {
    for (volatile int i = 0; i < 5; i++) {
    }
}

/* Not counted: may run anywhere. */
TEXT(".text.isr") static void systick(void) {
    interrupts = interrupts + 1;
}

/* 2 N + 3 instructions for N > 0 rounds. */
__attribute__((naked, noinline, used)) int tiny_run_steps(unsigned first, unsigned last) {
    __asm volatile("   ldr r2, =rounds\n"
                   "   ldr r2, [r2]\n"
                   "1: subs r2, #1\n"
                   "   bne 1b\n"
                   "   bx lr\n"
                   "   .ltorg\n");
}

/* 5 instructions beside tiny_run_steps's. */
__attribute__((naked, noinline, used)) int tiny_run(void) {
    __asm volatile("   push {r4, lr}\n"
                   "   bl %c0\n"
                   "   bl tiny_run_steps\n"
                   "   bl %c0\n"
                   "   pop {r4, pc}\n" ::"i"(tick));
}

/* 5 N + 2 instructions, one of which lies on both sides of a page's end (of 1 KiB): QEMU cuts blocks there. */
__attribute__((section(".text.paged"), naked, noinline, used, aligned(1024))) void crossing(void) {
    __asm volatile("   .space 1014\n"
                   "   .global crosses_page\n"
                   "   .thumb_func\n"
                   "crosses_page:\n"
                   "   movs r2, #100\n"
                   "1: nop\n"
                   "   add.w r3, r3, #1\n"
                   "   add.w r3, r3, #1\n"
                   "   subs r2, #1\n"
                   "   bne 1b\n"
                   "   bx lr\n");
}

void crosses_page(void);

#if defined(STM32)
enum {
    READABLE = 1u << 5
};
static void uart_init(void) {
    REG(0x40023844) |= 1u << 4;
    REG(0x4001100C) = (1u << 13) | (1u << 3) | (1u << 2);
}
static int uart_get(void) {
    return REG(0x40011000) & READABLE ? (int)(REG(0x40011004) & 255) : -1;
}
static void uart_put(uint32_t byte) {
    REG(0x40011004) = byte;
}
static void timer_start(void) {
    REG(0x40023840) |= 1u;        /* TIM2's clock */
    REG(0x4000002C) = 0xFFFFFFFF; /* runs to the end */
    REG(0x40000000) = 1;
}
static uint32_t timer(void) {
    return REG(0x40000024);
}
#else
static void uart_init(void) {
    REG(UART + 16) = 16;
    REG(UART + 8) = 3;
}
static int uart_get(void) {
    return REG(UART + 4) & 2 ? (int)(REG(UART) & 255) : -1;
}
static void uart_put(uint32_t byte) {
    REG(UART) = byte;
}
static void timer_start(void) {}
static uint32_t timer(void) {
    return 0;
}
#endif

static void put32(uint32_t value) {
    for (unsigned i = 0; i < 4; i++) {
        uart_put(value >> (8 * i) & 255);
    }
}

int main(void) {
    uart_init();
    timer_start();
    for (;;) {
        int byte = uart_get();
        if (byte < 0) {
            continue;
        }
        if (byte == 255) {
            put32(0xFEEDBEEF); /* what comes in before uart_init is lost: the test asks until it hears this */
            continue;
        }
        if (byte == 254) {
            crosses_page();
            put32(0);
            continue;
        }
        rounds = (uint32_t)byte * 1000 + 1;
        if (byte == 0) {
            REG(0xF0000000) = 1; /* no such memory: a hard fault inside a hard fault */
        }
        if (byte < 100) {
            REG(0xE000E014) = 5000;
            REG(0xE000E010) = 7; /* SysTick with its interrupt */
            tiny_run();
            REG(0xE000E010) = 0;
            put32(interrupts);
        } else {
            uint32_t before = timer();
            tiny_run_steps(0, 1);
            put32(timer() - before);
        }
    }
}

__attribute__((noreturn)) void reset(void) {
    main();
    __builtin_unreachable();
}

static void fault(void) {
    REG(0xF0000000) = 1;
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    [0] = stack_top, [1] = (void *)reset, [2] = (void *)fault, [3] = (void *)fault, [15] = (void *)systick};
