/* hal.h on an ESP32-C3 that starts from flash without a boot loader or vendor library. The serial ports are polled:
 * their FIFOs hold 128 bytes, and hal_tick empties them between the model's steps. */
#include "../bare/bare.h"
#include "../cycles.h"
#include "../ring.h"

#define REG32(address) (*(volatile uint32_t *)(address))

#define UART_FIFO(base)      REG32((base) + 0x00u)
#define UART_CLKDIV(base)    REG32((base) + 0x14u)
#define UART_STATUS(base)    REG32((base) + 0x1Cu)
#define UART_FSM(base)       REG32((base) + 0x6Cu)
#define UART_CLK_CONF(base)  REG32((base) + 0x78u)
#define UART_ID(base)        REG32((base) + 0x80u)
#define UART_RECEIVED        0x3FFu
#define UART_SENDING_SHIFT   16
#define UART_SENDING         0x3FFu
#define UART_FSM_SENDING     (0xFu << 4)
#define UART_CLK_CONF_XTAL   (3u << 20 | 1u << 22 | 1u << 24 | 1u << 25) /* source, and its gates for both ways */
#define UART_ID_HIGH_SPEED   (1u << 30) /* takes settings over at once, which only works on the bus's clock */
#define UART_ID_UPDATE       (1u << 31)
#define UART_FIFO_BYTES      128u
#define GPIO_BASE            0x60004000u
#define GPIO_OUT_W1TS        REG32(GPIO_BASE + 0x08u)
#define GPIO_OUT_W1TC        REG32(GPIO_BASE + 0x0Cu)
#define GPIO_ENABLE_W1TS     REG32(GPIO_BASE + 0x24u)
#define GPIO_IN_SEL(signal)  REG32(GPIO_BASE + 0x154u + 4u * (signal))
#define GPIO_IN_SEL_MATRIX   (1u << 6)
#define GPIO_OUT_SEL(pin)    REG32(GPIO_BASE + 0x554u + 4u * (pin))
#define GPIO_OUT_SEL_GPIO    128u /* the signal that stands for the pin's own output bit */
#define IO_MUX(pin)          REG32(0x60009004u + 4u * (pin))
#define IO_MUX_PULL_UP       (1u << 8)
#define IO_MUX_INPUT         (1u << 9)
#define IO_MUX_DRIVE_20MA    (2u << 10)
#define IO_MUX_GPIO          (1u << 12)
#define RTC_OPTIONS0         REG32(0x60008000u)
#define RTC_OPTIONS0_RESET   (1u << 31)
#define RTC_WDT_CONFIG0      REG32(0x60008090u)
#define RTC_WDT_PROTECT      REG32(0x600080A8u)
#define RTC_SWD_CONF         REG32(0x600080ACu)
#define RTC_SWD_CONF_AUTO    (1u << 31)
#define RTC_SWD_PROTECT      REG32(0x600080B0u)
#define RTC_SWD_KEY          0x8F1D312Au
#define TIMG0_BASE           0x6001F000u
#define TIMG1_BASE           0x60020000u
#define WDT_CONFIG0(base)    REG32((base) + 0x48u)
#define WDT_CONFIG0_UPDATE   (1u << 22)
#define WDT_CONFIG0_ON       (1u << 31 | 3u << 29 | 1u << 21) /* first stage resets the chip; runs from the crystal */
#define WDT_CONFIG1(base)    REG32((base) + 0x4Cu)
#define WDT_CONFIG1_DIVIDER  16
#define WDT_CONFIG2(base)    REG32((base) + 0x50u)
#define WDT_FEED(base)       REG32((base) + 0x60u)
#define WDT_PROTECT(base)    REG32((base) + 0x64u)
#define WDT_KEY              0x50D83AA1u
#define SYSTIMER_UNIT0       REG32(0x60023004u)
#define SYSTIMER_LATCH       (1u << 30)
#define SYSTIMER_VALID       (1u << 29)
#define SYSTIMER_VALUE0      REG32(0x60023044u)
#define SYSTIMER_PER_US      16u
#define SYSTEM_CPU_PER_CONF  REG32(0x600C0008u)
#define SYSTEM_CPU_PERIOD    3u
#define SYSTEM_CPU_160MHZ    1u
#define SYSTEM_PLL_480MHZ    (1u << 2)
#define SYSTEM_CLK_EN0       REG32(0x600C0010u)
#define SYSTEM_RST_EN0       REG32(0x600C0018u)
#define SYSTEM_UART1         (1u << 5)
#define SYSTEM_UART_MEMORY   (1u << 24)
#define SYSTEM_SYSCLK_CONF   REG32(0x600C0058u)
#define SYSTEM_SYSCLK_SEL    (3u << 10)
#define SYSTEM_SYSCLK_PLL    (1u << 10)
#define SYSTEM_SYSCLK_DIVIDE 0x3FFu

#define TRANSMIT_POLLS 1000000u /* a full FIFO at 9600 baud empties by one byte a millisecond */
#define LATCH_POLLS    1000u
#define MEASURED_US    100u

typedef struct {
    uint32_t base;
    uint32_t signal; /* of both ways, in the GPIO matrix */
    uint32_t baud;
    uint32_t tx;
    uint32_t rx;
} serial_port;

#define UART_BASE(number)   ((number) == 0 ? 0x60000000u : 0x60010000u)
#define UART_SIGNAL(number) ((number) == 0 ? 6u : 9u)

static const serial_port ports[SHOAL_UARTS] = {
    {UART_BASE(SHOAL_UART0_NUMBER), UART_SIGNAL(SHOAL_UART0_NUMBER), SHOAL_UART0_BAUD, SHOAL_UART0_TX_PIN,
     SHOAL_UART0_RX_PIN},
#if SHOAL_UARTS > 1
    {UART_BASE(SHOAL_UART1_NUMBER), UART_SIGNAL(SHOAL_UART1_NUMBER), SHOAL_UART1_BAUD, SHOAL_UART1_TX_PIN,
     SHOAL_UART1_RX_PIN},
#endif
};

static hal_ring rings[SHOAL_UARTS];
static uint32_t core_hz;
static hal_cycle_count cycles;

SHOAL_LINK static uint32_t counter(void) {
    uint32_t value;
    __asm volatile("csrr %0, 0x7E2" : "=r"(value));
    return value;
}

static void counter_start(void) {
    __asm volatile("csrw 0x7E0, %0\n" /* counts cycles */
                   "csrw 0x7E1, %0\n" /* and counts */
                   "csrw 0x7E2, zero" ::"r"(1));
}

/* The system timer, which runs from the crystal whatever the core does. */
SHOAL_LINK static uint32_t timer(void) {
    SYSTIMER_UNIT0 = SYSTIMER_LATCH;
    for (uint32_t polls = 0; polls < LATCH_POLLS && (SYSTIMER_UNIT0 & SYSTIMER_VALID) == 0u; polls++) {
    }
    return SYSTIMER_VALUE0;
}

static void watchdogs_off(void) {
    const uint32_t groups[] = {TIMG0_BASE, TIMG1_BASE};
    for (unsigned i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        WDT_PROTECT(groups[i]) = WDT_KEY;
        WDT_CONFIG0(groups[i]) = 0;
        WDT_PROTECT(groups[i]) = 0;
    }
    RTC_WDT_PROTECT = WDT_KEY;
    RTC_WDT_CONFIG0 = 0;
    RTC_WDT_PROTECT = 0;
    RTC_SWD_PROTECT = RTC_SWD_KEY;
    RTC_SWD_CONF |= RTC_SWD_CONF_AUTO;
    RTC_SWD_PROTECT = 0;
}

#if defined(SHOAL_WATCHDOG_MS)
static void watchdog_start(void) {
    WDT_PROTECT(TIMG0_BASE) = WDT_KEY;
    WDT_CONFIG1(TIMG0_BASE) = (SHOAL_XTAL_HZ / 1000u) << WDT_CONFIG1_DIVIDER;
    WDT_CONFIG2(TIMG0_BASE) = SHOAL_WATCHDOG_MS;
    WDT_CONFIG0(TIMG0_BASE) = WDT_CONFIG0_ON;
    WDT_CONFIG0(TIMG0_BASE) |= WDT_CONFIG0_UPDATE;
    WDT_PROTECT(TIMG0_BASE) = 0;
}

SHOAL_LINK static void watchdog_feed(void) {
    WDT_PROTECT(TIMG0_BASE) = WDT_KEY;
    WDT_FEED(TIMG0_BASE) = 1;
    WDT_PROTECT(TIMG0_BASE) = 0;
}
#else
static void watchdog_start(void) {}

SHOAL_LINK static void watchdog_feed(void) {}
#endif

/* The ROM leaves the core on the crystal, and the PLL running for USB. */
static void clock_start(void) {
    SYSTEM_CPU_PER_CONF = (SYSTEM_CPU_PER_CONF & ~SYSTEM_CPU_PERIOD) | SYSTEM_PLL_480MHZ | SYSTEM_CPU_160MHZ;
    SYSTEM_SYSCLK_CONF = (SYSTEM_SYSCLK_CONF & ~(SYSTEM_SYSCLK_SEL | SYSTEM_SYSCLK_DIVIDE)) | SYSTEM_SYSCLK_PLL;
}

/* Core cycles against the system timer, to the nearest megahertz. */
static uint32_t clock_measure(void) {
    uint32_t counted = counter();
    uint32_t start = timer();
    uint32_t ticks = 0;
    for (uint32_t polls = 0; polls < LATCH_POLLS && ticks < MEASURED_US * SYSTIMER_PER_US; polls++) {
        ticks = timer() - start;
    }
    counted = counter() - counted;
    if (ticks == 0u) {
        return SHOAL_CLOCK_HZ;
    }
    return (counted * SYSTIMER_PER_US + ticks / 2u) / ticks * 1000000u;
}

static void pin_output(uint32_t pin, uint32_t signal) {
    GPIO_OUT_SEL(pin) = signal;
    GPIO_ENABLE_W1TS = 1u << pin;
    IO_MUX(pin) = IO_MUX_GPIO | IO_MUX_DRIVE_20MA;
}

static void port_start(const serial_port *port) {
    if (port->base != UART_BASE(0)) {
        SYSTEM_CLK_EN0 |= SYSTEM_UART1 | SYSTEM_UART_MEMORY;
        SYSTEM_RST_EN0 &= ~(SYSTEM_UART1 | SYSTEM_UART_MEMORY);
    }
    uint32_t sixteenths = (16u * (SHOAL_XTAL_HZ / 100u) + port->baud / 200u) / (port->baud / 100u);
    UART_CLK_CONF(port->base) = UART_CLK_CONF_XTAL;
    UART_CLKDIV(port->base) = sixteenths / 16u | sixteenths % 16u << 20;
    UART_ID(port->base) = (UART_ID(port->base) & ~UART_ID_HIGH_SPEED) | UART_ID_UPDATE;
    pin_output(port->tx, port->signal);
    GPIO_IN_SEL(port->signal) = port->rx | GPIO_IN_SEL_MATRIX;
    IO_MUX(port->rx) = IO_MUX_GPIO | IO_MUX_INPUT | IO_MUX_PULL_UP;
}

void hal_init(void) {
    watchdogs_off();
    clock_start();
    counter_start();
    core_hz = clock_measure();
    for (unsigned port = 0; port < SHOAL_UARTS; port++) {
        port_start(&ports[port]);
    }
#if defined(SHOAL_TRIGGER_PIN)
    GPIO_OUT_W1TC = 1u << SHOAL_TRIGGER_PIN;
    pin_output(SHOAL_TRIGGER_PIN, GPIO_OUT_SEL_GPIO);
#endif
    watchdog_start();
}

SHOAL_LINK uint32_t hal_clock_hz(void) {
    return core_hz;
}

SHOAL_LINK static void drain(unsigned port) {
    uint32_t base = ports[port].base;
    for (uint32_t waiting = UART_STATUS(base) & UART_RECEIVED; waiting > 0u; waiting--) {
        ring_put(&rings[port], (uint8_t)UART_FIFO(base));
    }
}

SHOAL_LINK static void drain_all(void) {
    for (unsigned port = 0; port < SHOAL_UARTS; port++) {
        drain(port);
    }
}

SHOAL_LINK int hal_uart_get(unsigned port) {
    drain(port);
    return ring_get(&rings[port]);
}

SHOAL_LINK static bool await_room(unsigned port, uint32_t most) {
    for (uint32_t polls = 0; polls < TRANSMIT_POLLS; polls++) {
        if ((UART_STATUS(ports[port].base) >> UART_SENDING_SHIFT & UART_SENDING) <= most) {
            return true;
        }
    }
    return false;
}

SHOAL_LINK bool hal_uart_put(unsigned port, uint8_t byte) {
    bool room = await_room(port, UART_FIFO_BYTES - 2u);
    if (room) {
        UART_FIFO(ports[port].base) = byte;
    }
    return room;
}

SHOAL_LINK void hal_uart_flush(unsigned port) {
    (void)await_room(port, 0);
    for (uint32_t polls = 0; polls < TRANSMIT_POLLS && (UART_FSM(ports[port].base) & UART_FSM_SENDING) != 0u; polls++) {
    }
}

SHOAL_LINK uint32_t hal_idle(uint32_t microseconds) {
    uint32_t start = timer();
    uint32_t passed = 0;
    for (drain_all(); passed < microseconds && rings_empty(rings); drain_all()) {
        passed = (timer() - start) / SYSTIMER_PER_US;
    }
    if (microseconds == HAL_FOREVER) {
        return HAL_FOREVER;
    }
    uint32_t spent = passed > 0u ? passed : 1u; /* progress in every call bounds the caller's loop */
    return spent < microseconds ? microseconds - spent : 0;
}

SHOAL_LINK bool hal_has_cycles(void) {
    return true;
}

SHOAL_LINK uint64_t hal_cycles(void) {
    return cycles_extend(&cycles, counter());
}

SHOAL_LINK void hal_tick(void) {
    watchdog_feed();
    drain_all();
    (void)hal_cycles();
}

void hal_trigger(bool up) {
#if defined(SHOAL_TRIGGER_PIN)
    if (up) {
        GPIO_OUT_W1TS = 1u << SHOAL_TRIGGER_PIN;
    } else {
        GPIO_OUT_W1TC = 1u << SHOAL_TRIGGER_PIN;
    }
#else
    (void)up;
#endif
}

_Noreturn void hal_reset(void) {
    RTC_OPTIONS0 |= RTC_OPTIONS0_RESET;
    for (;;) {
    }
}
