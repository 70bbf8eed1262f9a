/* A firmware without a model for the ESP32-C3, and for QEMU's RISC-V board: for each byte n that comes in, runs work
 * of a size that n says and answers four bytes. */
#include <stdint.h>

#define REG(address)  (*(volatile uint32_t *)(address))
#define REG8(address) (*(volatile uint8_t *)(address))
#define TEXT(name)    __attribute__((section(name), noinline, used))

extern uint8_t stack_top[];

static int8_t data[4096];
static volatile int32_t result;

/* Not counted: runs between the model's steps. */
TEXT(".text.link") static void tick(void) {
    for (volatile int i = 0; i < 5; i++) {
    }
}

/* Loads, stores, multiplications, divisions and branches that depend on data. */
__attribute__((noinline, used)) int tiny_run(int8_t *values, int n) {
    int32_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += values[i] * values[(i * 7) % n];
        values[i] = (int8_t)(sum >> 5);
        if (sum & 4) {
            sum = sum / (1 + (i & 15));
        }
    }
    tick();
    return sum;
}

/* 2 N + 1 instructions. */
__attribute__((naked, noinline, used)) void loops(uint32_t n) {
    __asm volatile("1: addi a0, a0, -1\n"
                   "   bnez a0, 1b\n"
                   "   ret\n");
}

#if defined(VIRT)
static void start(void) {}
static int uart_get(void) {
    return REG8(0x10000005) & 1 ? REG8(0x10000000) : -1;
}
static void uart_put(uint32_t byte) {
    REG8(0x10000000) = (uint8_t)byte;
}
static uint32_t executed(void) {
    uint32_t count;
    __asm volatile("csrr %0, minstret" : "=r"(count));
    return count;
}
#else
static void start(void) {
    REG(0x6001F064) = 0x50D83AA1; /* watchdogs off */
    REG(0x6001F048) = 0;
    REG(0x600080A8) = 0x50D83AA1;
    REG(0x60008090) = 0;
    REG(0x600080B0) = 0x8F1D312A;
    REG(0x600080AC) = 1u << 31;
    __asm volatile("csrw 0x7E2, zero");
}
static int uart_get(void) {
    return REG(UART + 0x1C) & 0x3FF ? (int)(REG(UART) & 255) : -1;
}
static void uart_put(uint32_t byte) {
    REG(UART) = byte;
}
static uint32_t executed(void) {
    uint32_t count;
    __asm volatile("csrr %0, 0x7E2" : "=r"(count));
    return count;
}
#endif

static void put32(uint32_t value) {
    for (unsigned i = 0; i < 4; i++) {
        uart_put(value >> (8 * i) & 255);
    }
}

enum {
    LOOPS = 200,
    SPECIAL = 240,
    SHORT_ILLEGAL = 245,
    BREAK = 246,
    SHORT_BREAK = 247,
    CALL = 248,
    LOCKUP = 249,
    GUARDED = 250,
    NOWHERE = 251,
    ILLEGAL = 252,
    HANG = 253,
    RESTART = 254,
    PING = 255,
};

#if !defined(VIRT)
/* Traps tell where they were and what they meant, and go on. */
__attribute__((interrupt, used, aligned(256))) static void trap(void) {
    uint32_t cause, at, value;
    __asm volatile("csrr %0, mcause" : "=r"(cause));
    __asm volatile("csrr %0, mepc" : "=r"(at));
    __asm volatile("csrr %0, mtval" : "=r"(value));
    put32(cause);
    put32(value);
    put32(at);
    __asm volatile("csrw mepc, %0" ::"r"(at + 4));
}

#define TRY(instruction, x)                                                                                            \
    __asm volatile(".option push\n .option norvc\n " instruction "\n .option pop\n" ::"r"(x)                           \
                   : "memor"                                                                                           \
                     "y")

static void special(int byte) {
    __asm volatile("csrw mtvec, %0" ::"r"(trap));
    if (byte == RESTART) {
        REG(0x60008000) = 1u << 31;
    } else if (byte == HANG) {
        REG(0x600080B0) = 0x8F1D312A; /* the super watchdog bites whoever stays here */
        REG(0x600080AC) = 0;
        for (;;) {
        }
    } else if (byte == ILLEGAL) {
        TRY(".word 0xC0001073", 0);
    } else if (byte == SHORT_ILLEGAL) {
        TRY(".half 0, 1", 0);
    } else if (byte == BREAK) {
        TRY("ebreak", 0);
    } else if (byte == SHORT_BREAK) {
        TRY(".half 0x9002, 1", 0);
    } else if (byte == CALL) {
        TRY("ecall", 0);
    } else if (byte == NOWHERE) {
        TRY("lw t0, 8(%0)", 0x20000000);
    } else if (byte == GUARDED) {
        uint32_t guarded = 0x3FC7F000;
        __asm volatile("csrw pmpaddr0, %0\n csrw pmpcfg0, %1" ::"r"(guarded >> 2 | 511u), "r"(0x98));
        TRY("sw t0, -16(%0)", 0x3FC80000);
    } else if (byte == LOCKUP) {
        __asm volatile("csrw mtvec, zero");
        TRY("sw t0, 0(%0)", 0x20000000);
    }
}
#else
static void special(int byte) {
    (void)byte;
}
#endif

static void answer(int byte) {
    if (byte == PING) {
        put32(0xFEEDBEEF);
    } else if (byte >= SPECIAL) {
        special(byte);
    } else if (byte >= LOOPS) {
        loops((uint32_t)(byte - LOOPS) * 1000000u + 1u);
        put32(0);
    } else {
        for (int i = 0; i < 4096; i++) {
            data[i] = (int8_t)(i * 31);
        }
        uint32_t before = executed();
        result = tiny_run(data, byte * 20 + 1);
        put32(executed() - before);
    }
}

__attribute__((used)) static void start_c(void) {
    start();
    for (;;) {
        int byte = uart_get();
        if (byte >= 0) {
            answer(byte);
        }
    }
}

__asm(".section .text.entry, \"ax\"\n"
      ".global _entry\n"
#if !defined(VIRT)
      ".word 0xaedb041d, 0xaedb041d\n"
#endif
      "_entry:\n"
      "la sp, stack_top\n"
      "j start_c\n");
