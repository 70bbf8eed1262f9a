/* hal.h on every STM32, over what family.h says. */
#include "family.h"

#if defined(SHOAL_WATCHDOG_MS)
#define IWDG_KR           REG32(IWDG_BASE + 0x00u)
#define IWDG_KR_FEED      0xAAAAu
#define IWDG_KR_UNLOCK    0x5555u
#define IWDG_KR_START     0xCCCCu
#define IWDG_PR           REG32(IWDG_BASE + 0x04u)
#define IWDG_PR_LOG2(log) ((log)-2u) /* divides by 4 at least */
#define IWDG_RLR          REG32(IWDG_BASE + 0x08u)
#define IWDG_RLR_MAX      0xFFFu
#define IWDG_SR           REG32(IWDG_BASE + 0x0Cu)
#define IWDG_SR_UPDATING  3u
#define WATCHDOG_LOG2     6u
#define WATCHDOG_TICKS    (SHOAL_WATCHDOG_MS * (LSI_HZ / 1000u) >> WATCHDOG_LOG2)
_Static_assert(WATCHDOG_TICKS > 0u && WATCHDOG_TICKS <= IWDG_RLR_MAX, "SHOAL_WATCHDOG_MS: 2 to 6500");
#endif

/* A byte at 9600 baud takes a millisecond, some 100,000 polls of the fastest of these chips. */
#define TRANSMIT_POLLS 1000000u

#define PASTE(prefix, number) prefix##number
#define USART(number)         PASTE(FAMILY_USART, number)
#define LPUART(number)        PASTE(FAMILY_LPUART, number)
#define DEFAULT_ALTERNATE     7

#if defined(SHOAL_UART0_LOW_POWER)
#define UART0 LPUART(SHOAL_UART0_NUMBER)
#else
#define UART0 USART(SHOAL_UART0_NUMBER)
#endif
#if defined(SHOAL_UART1_LOW_POWER)
#define UART1 LPUART(SHOAL_UART1_NUMBER)
#else
#define UART1 USART(SHOAL_UART1_NUMBER)
#endif
#if !defined(SHOAL_UART0_ALTERNATE)
#define SHOAL_UART0_ALTERNATE DEFAULT_ALTERNATE
#endif
#if !defined(SHOAL_UART1_ALTERNATE)
#define SHOAL_UART1_ALTERNATE DEFAULT_ALTERNATE
#endif

typedef struct {
    stm32_uart uart;
    uint32_t baud;
    stm32_pin tx;
    stm32_pin rx;
    uint8_t alternate;
} serial_port;

static const serial_port ports[SHOAL_UARTS] = {
    {UART0, SHOAL_UART0_BAUD, PIN(SHOAL_UART0_TX_PORT, SHOAL_UART0_TX_PIN),
     PIN(SHOAL_UART0_RX_PORT, SHOAL_UART0_RX_PIN), SHOAL_UART0_ALTERNATE},
#if SHOAL_UARTS > 1
    {UART1, SHOAL_UART1_BAUD, PIN(SHOAL_UART1_TX_PORT, SHOAL_UART1_TX_PIN),
     PIN(SHOAL_UART1_RX_PORT, SHOAL_UART1_RX_PIN), SHOAL_UART1_ALTERNATE},
#endif
};

static hal_ring rings[SHOAL_UARTS];
static uint32_t core_hz;

static void port_start(const serial_port *port) {
    const stm32_uart *uart = &port->uart;
    REG32(uart->enable) |= 1u << uart->enable_bit;
    (void)REG32(uart->enable); /* the bus needs the enable to have arrived before the first access */
    gpio_serial(port->tx, port->alternate, true);
    gpio_serial(port->rx, port->alternate, false);
    USART_BRR(uart->base) = usart_divider(uart->base, family_uart_hz(core_hz, (stm32_bus)uart->bus), port->baud);
    USART_CR1(uart->base) = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
    cortexm_interrupt_enable(uart->irq);
}

static void watchdog_start(void) {
#if defined(SHOAL_WATCHDOG_MS)
    IWDG_KR = IWDG_KR_START;
    IWDG_KR = IWDG_KR_UNLOCK;
    IWDG_PR = IWDG_PR_LOG2(WATCHDOG_LOG2);
    IWDG_RLR = WATCHDOG_TICKS;
    (void)stm32_ready(&IWDG_SR, IWDG_SR_UPDATING, 0);
    IWDG_KR = IWDG_KR_FEED;
#endif
}

void hal_init(void) {
    /* On a chip the oscillator that it runs from is on: 0 means an emulator without clocks, which assumes the board's.
     */
    core_hz = RCC_CR == 0u ? SHOAL_CLOCK_HZ : family_start();
    cortexm_init();
    for (unsigned port = 0; port < SHOAL_UARTS; port++) {
        port_start(&ports[port]);
    }
#if defined(SHOAL_STORE_BYTES)
#if !defined(FAMILY_STORE)
#error "this family's hal maps no store: remove its pins from the board file, and map it in your own firmware"
#endif
    FAMILY_STORE(core_hz);
#endif
#if defined(SHOAL_TRIGGER_PIN)
    gpio_output(PIN(SHOAL_TRIGGER_PORT, SHOAL_TRIGGER_PIN));
#endif
    watchdog_start();
}

SHOAL_LINK uint32_t hal_clock_hz(void) {
    return core_hz;
}

SHOAL_ISR void cortexm_interrupt(void) {
    for (unsigned port = 0; port < SHOAL_UARTS; port++) {
        uint32_t base = ports[port].uart.base;
        uint32_t status = USART_SR(base);
        if ((status & (USART_SR_RXNE | USART_SR_ORE)) != 0u) {
            uint8_t byte = (uint8_t)USART_RDR(base);
            usart_clear_errors(base);
            if ((status & USART_SR_RXNE) != 0u) {
                ring_put(&rings[port], byte);
            }
        }
    }
}

SHOAL_LINK int hal_uart_get(unsigned port) {
    return ring_get(&rings[port]);
}

SHOAL_LINK static bool await_status(unsigned port, uint32_t mask) {
    for (uint32_t polls = 0; polls < TRANSMIT_POLLS; polls++) {
        if ((USART_SR(ports[port].uart.base) & mask) != 0u) {
            return true;
        }
    }
    return false;
}

SHOAL_LINK bool hal_uart_put(unsigned port, uint8_t byte) {
    bool room = await_status(port, USART_SR_TXE);
    if (room) {
        USART_TDR(ports[port].uart.base) = byte;
    }
    return room;
}

SHOAL_LINK void hal_uart_flush(unsigned port) {
    (void)await_status(port, USART_SR_TC);
}

SHOAL_LINK uint32_t hal_idle(uint32_t microseconds) {
    return cortexm_idle(microseconds, core_hz, rings);
}

SHOAL_LINK void hal_tick(void) {
#if defined(SHOAL_WATCHDOG_MS)
    IWDG_KR = IWDG_KR_FEED;
#endif
    (void)hal_cycles();
}

void hal_trigger(bool up) {
#if defined(SHOAL_TRIGGER_PIN)
    gpio_write(PIN(SHOAL_TRIGGER_PORT, SHOAL_TRIGGER_PIN), up);
#else
    (void)up;
#endif
}
