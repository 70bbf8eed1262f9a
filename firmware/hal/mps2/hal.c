/* hal.h on MPS2: its serial ports are the CMSDK's, its clock is fixed, and it has neither cycle counter nor pins. */
#include "family.h"
#include "../cortexm/cortexm.h"

#define UART_DATA(port)     REG32(base_of(port) + 0x00u)
#define UART_STATE(port)    REG32(base_of(port) + 0x04u)
#define UART_STATE_TX_FULL  (1u << 0)
#define UART_STATE_RX_FULL  (1u << 1)
#define UART_CTRL(port)     REG32(base_of(port) + 0x08u)
#define UART_CTRL_TX        (1u << 0)
#define UART_CTRL_RX        (1u << 1)
#define UART_CTRL_RX_IRQ    (1u << 3)
#define UART_INTCLEAR(port) REG32(base_of(port) + 0x0Cu)
#define UART_INTCLEAR_RX    (1u << 1)
#define UART_BAUDDIV(port)  REG32(base_of(port) + 0x10u)
#define UART_BAUDDIV_MIN    16u

#if __ARM_ARCH >= 8
#define UART_BASE 0x50200000u /* as the secure state sees it */
#define UART_IRQ  32u
#else
#define UART_BASE 0x40004000u
#define UART_IRQ  0u
#endif

/* A byte at 9600 baud takes a millisecond, 25,000 cycles; but an emulator's line waits for the host to take it, which
 * may be busy for a second. */
#define TRANSMIT_POLLS 20000000u

static hal_ring rings[SHOAL_UARTS];

typedef struct {
    uint32_t number;
    uint32_t baud;
} serial_port;

static const serial_port ports[SHOAL_UARTS] = {
    {SHOAL_UART0_NUMBER, SHOAL_UART0_BAUD},
#if SHOAL_UARTS > 1
    {SHOAL_UART1_NUMBER, SHOAL_UART1_BAUD},
#endif
};

static inline __attribute__((always_inline)) uint32_t base_of(unsigned port) {
    return UART_BASE + 0x1000u * ports[port].number;
}

void hal_init(void) {
    cortexm_init();
    for (unsigned port = 0; port < SHOAL_UARTS; port++) {
        uint32_t divider = SHOAL_CLOCK_HZ / ports[port].baud;
        UART_BAUDDIV(port) = divider < UART_BAUDDIV_MIN ? UART_BAUDDIV_MIN : divider;
        UART_CTRL(port) = UART_CTRL_TX | UART_CTRL_RX | UART_CTRL_RX_IRQ;
        cortexm_interrupt_enable(UART_IRQ + 2u * ports[port].number);
    }
}

SHOAL_LINK uint32_t hal_clock_hz(void) {
    return SHOAL_CLOCK_HZ;
}

SHOAL_ISR void cortexm_interrupt(void) {
    for (unsigned port = 0; port < SHOAL_UARTS; port++) {
        UART_INTCLEAR(port) = UART_INTCLEAR_RX;
        while ((UART_STATE(port) & UART_STATE_RX_FULL) != 0u) {
            ring_put(&rings[port], (uint8_t)UART_DATA(port));
        }
    }
}

SHOAL_LINK int hal_uart_get(unsigned port) {
    return ring_get(&rings[port]);
}

SHOAL_LINK bool hal_uart_put(unsigned port, uint8_t byte) {
    for (uint32_t polls = 0; polls < TRANSMIT_POLLS; polls++) {
        if ((UART_STATE(port) & UART_STATE_TX_FULL) == 0u) {
            UART_DATA(port) = byte;
            return true;
        }
    }
    return false;
}

SHOAL_LINK void hal_uart_flush(unsigned port) {
    for (uint32_t polls = 0; polls < TRANSMIT_POLLS; polls++) {
        if ((UART_STATE(port) & UART_STATE_TX_FULL) == 0u) {
            return;
        }
    }
}

SHOAL_LINK uint32_t hal_idle(uint32_t microseconds) {
    return cortexm_idle(microseconds, SHOAL_CLOCK_HZ, rings);
}

SHOAL_LINK void hal_tick(void) {
    (void)hal_cycles();
}

void hal_trigger(bool up) {
    (void)up;
}
