/* What the harness asks of a board. One folder per family implements it; this header is all that the rest knows.
 *
 * Macros that the build passes, from the board's file (numbers carry no suffix; a pin that the board lacks leaves its
 * macros undefined):
 *   SHOAL_BOARD                  the board's id, a string
 *   SHOAL_CLOCK_HZ               the core clock that hal_init sets up
 *   SHOAL_<NAME>                 each entry of the file's `macros`, e.g. SHOAL_HSE_HZ (the crystal) or SHOAL_XTAL_HZ
 *   SHOAL_FLASH_WAIT_STATES      of the flash at that clock
 *   SHOAL_STACK_BYTES            main's stack
 *   SHOAL_UARTS                  how many serial ports the file names: 1 or 2
 *   SHOAL_UART0_NUMBER           the vendor's number: 1 of "usart1", 0 of "uart0"
 *   SHOAL_UART0_LOW_POWER        1 where the name says "lpuart"; else undefined
 *   SHOAL_UART0_BAUD
 *   SHOAL_UART0_TX_PORT, _TX_PIN, _RX_PORT, _RX_PIN   "PB7" is port 1, pin 7; "GPIO21" is port 0, pin 21
 *   SHOAL_UART0_ALTERNATE        the pins' alternate function; undefined leaves the family's default
 *   SHOAL_UART1_…                the same for the second port
 *   SHOAL_TRIGGER_PORT, SHOAL_TRIGGER_PIN             the pin raised around inferences
 *   SHOAL_WATCHDOG_MS            defined only if a watchdog is wanted; hal_tick feeds it
 *   SHOAL_RING_BYTES             receive ring of one port, a power of two; default below
 *   SHOAL_UNSEEN_BYTES           what of it fills up by itself while nothing of the hal is called; default: all
 *   SHOAL_NODE                   1 for a node of a shoal; default below
 * The model's sources get -DSHOAL_TICK=hal_tick (a shoal's node: node_tick), and declare `void SHOAL_TICK(void);`
 * themselves where it is defined.
 *
 * Symbols of the linker script: _stack_bottom, _stack_top (main's stack), _handler_stack_bottom, _handler_stack_top,
 * _data_load, _data_start, _data_end, _bss_start, _bss_end, _noinit_start, _noinit_end (section .noinit, kept over a
 * reset), _build_id_note (the GNU build id note). Vectors go to section .vectors, at the start of the flash.
 */
#ifndef SHOAL_HAL_H
#define SHOAL_HAL_H

#include <stdbool.h>
#include <stdint.h>

/* Code that may run inside a measured region lies apart, so that its instructions can be told from the model's. Such
 * code calls nothing outside of these two sections, libc's memcpy included. */
#define SHOAL_LINK __attribute__((section(".text.link")))
#define SHOAL_ISR  __attribute__((section(".text.isr")))

/* Data that survives a reset: neither loaded nor zeroed. A name without a dot lets a computer's linker mark its ends.
 */
#if defined(__linux__)
#define SHOAL_NOINIT __attribute__((section("noinit")))
#else
#define SHOAL_NOINIT __attribute__((section(".noinit")))
#endif

/* 1 for a node of a shoal, which has neighbours besides its host (runtime/node.h). */
#ifndef SHOAL_NODE
#define SHOAL_NODE 0
#endif

#ifndef SHOAL_RING_BYTES
#if SHOAL_NODE
#define SHOAL_RING_BYTES 1024 /* frames of two neighbours and of those behind them, between two steps */
#else
#define SHOAL_RING_BYTES 256
#endif
#endif

#ifndef SHOAL_UNSEEN_BYTES
#define SHOAL_UNSEEN_BYTES SHOAL_RING_BYTES
#endif

#ifndef SHOAL_UARTS
#define SHOAL_UARTS 1
#endif

/* Clocks, pins, serial ports with receive interrupts, cycle counter, watchdog if asked. Every wait inside is bounded:
 * a clock that does not come up leaves a slower one, which hal_clock_hz reports. */
void hal_init(void);

/* The core clock really running, read back from the hardware where it can be. */
uint32_t hal_clock_hz(void);

/* A received byte of a port, or -1 where there is none: the interrupt handler stores bytes in a ring. */
int hal_uart_get(unsigned port);

/* Sends one byte; waits a bounded time for room, and false says that it ran out. */
bool hal_uart_put(unsigned port, uint8_t byte);

/* Waits, bounded, until the last byte has left the chip. */
void hal_uart_flush(unsigned port);

/* Forever, for hal_idle. */
#define HAL_FOREVER UINT32_MAX

/* Sleeps until an interrupt, or until `microseconds` have passed; returns what is left of them, always less than was
 * given (but HAL_FOREVER stays), 0 at the end. It may return early. Bytes that came in before it sleeps wake it: the
 * check of the rings and the sleep are one. */
uint32_t hal_idle(uint32_t microseconds);

/* Whether hal_cycles counts, tried at hal_init: emulators have none. */
bool hal_has_cycles(void);

/* Core cycles since some time, 0 without a counter. Counters of 32 bits are extended here, so it must be called, or
 * hal_tick, at least once per wrap. */
uint64_t hal_cycles(void);

/* Called between the model's steps: feeds the watchdog and extends the cycle counter. Cheap, in .text.link. */
void hal_tick(void);

/* The trigger pin, for instruments; does nothing where there is none. */
void hal_trigger(bool up);

/* Starts the firmware anew, with .noinit as it is. */
_Noreturn void hal_reset(void);

/* The linker's build id: `size` bytes (20 for sha1), or none and size 0. */
const uint8_t *hal_build_id(uint32_t *size);

/* Where main's stack lies ([bottom, top), growing down) and how many bytes are neither it nor the arena: data, bss,
 * noinit, the handlers' stack. All 0 where the port cannot say. */
typedef struct {
    uintptr_t stack_bottom;
    uintptr_t stack_top;
    uint32_t static_bytes;
} hal_memory_map;

hal_memory_map hal_memory(void);

/* Faults. The family's handler fills this in and calls fault_raised, on the handlers' stack; it does not return. */
enum {
    HAL_FAULT_NONE = 0,
    HAL_FAULT_HARD = 1,
    HAL_FAULT_BUS = 2,
    HAL_FAULT_STACK_OVERFLOW = 3,
};

/* `address`: what was accessed, 0 where unknown; `pc`: the instruction, 0 where it could not be saved; `status`: the
 * core's own word (CFSR, mcause, the signal's number); `stack`: main's stack pointer then. */
typedef struct {
    uint32_t kind;
    uint32_t address;
    uint32_t pc;
    uint32_t status;
    uint32_t stack;
} hal_fault;

/* Defined by runtime/fault.c: keeps the fault over the reset, tells it on port 0, and resets. */
_Noreturn void fault_raised(const hal_fault *fault);

/* Raises a fault of this kind on purpose, for the hardware-in-the-loop suite; returns if the chip did not fault. */
void hal_provoke(uint32_t kind);

/* The stack pointer of the function that this is inlined in; below it nothing is live, but HAL_STACK_SKIP bytes. */
#if defined(__XTENSA__)
#define HAL_STACK_SKIP 64u /* the windowed ABI spills registers below the stack pointer */
#else
#define HAL_STACK_SKIP 0u
#endif

static inline __attribute__((always_inline)) uintptr_t hal_stack_pointer(void) {
    uintptr_t sp;
#if defined(__arm__)
    __asm volatile("mov %0, sp" : "=r"(sp));
#elif defined(__riscv)
    __asm volatile("mv %0, sp" : "=r"(sp));
#elif defined(__XTENSA__)
    __asm volatile("mov %0, a1" : "=r"(sp));
#elif defined(__x86_64__)
    __asm volatile("mov %%rsp, %0" : "=r"(sp));
#elif defined(__aarch64__)
    __asm volatile("mov %0, sp" : "=r"(sp));
#else
#error "hal_stack_pointer: one line for this instruction set"
#endif
    return sp;
}

#endif
