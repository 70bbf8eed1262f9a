/* What all STM32 families share. A family's folder holds family.h, which says:
 * - uint32_t family_start(void): clocks, flash, power and caches. Brings the core to SHOAL_CLOCK_HZ or, where a crystal
 *   or PLL does not start, to something slower, and returns what it got in Hz;
 *   uint32_t family_uart_hz(uint32_t core_hz, stm32_bus bus): what a serial port on that bus then gets;
 * - its GPIO block (gpio_f1.h or gpio_f2.h) and its serial ports' registers (usart_f1.h or usart_l4.h);
 * - FAMILY_USART1, …: one initializer of stm32_uart per serial port, FAMILY_LPUART1 where there is one;
 * - where a board maps a second store by pins: FAMILY_STORE, a function of the core's Hz that maps it;
 * - FAMILY_INTERRUPTS, RCC_CR, IWDG_BASE, LSI_HZ. */
#ifndef SHOAL_STM32_H
#define SHOAL_STM32_H

#include "../cortexm/cortexm.h"

/* Bits of RCC_CR, the same in every family. */
#define RCC_CR_HSEON  (1u << 16)
#define RCC_CR_HSERDY (1u << 17)
#define RCC_CR_HSEBYP (1u << 18)
#define RCC_CR_PLLON  (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)

/* Of the crystal; 0 where the board has none. */
#if !defined(SHOAL_HSE_HZ)
#define SHOAL_HSE_HZ 0
#endif

/* 1 where the oscillator pin gets a clock from outside, as on the Nucleos, and not a crystal. */
#if !defined(SHOAL_HSE_BYPASS)
#define SHOAL_HSE_BYPASS 0
#endif

typedef enum {
    STM32_APB1,
    STM32_APB2,
} stm32_bus;

typedef struct {
    uint32_t base;
    uint32_t enable; /* address of the register that holds its clock's bit */
    uint8_t enable_bit;
    uint8_t irq;
    uint8_t bus; /* stm32_bus */
} stm32_uart;

/* Ports from A on, sixteen pins each. */
typedef uint8_t stm32_pin;

#define PIN(port, pin) (stm32_pin)(16 * (port) + (pin))

/* About 0.1 s at 16 MHz: far beyond what any oscillator, PLL or regulator is specified to need. */
#define STM32_READY_POLLS 200000u

/* Waits, bounded, until the masked bits of the register have the value. */
static inline bool stm32_ready(volatile const uint32_t *reg, uint32_t mask, uint32_t value) {
    for (uint32_t polls = 0; polls < STM32_READY_POLLS; polls++) {
        if ((*reg & mask) == value) {
            return true;
        }
    }
    return false;
}

/* Starts the crystal, or takes the clock from outside; false where there is none. */
static inline bool stm32_crystal_start(volatile uint32_t *rcc_cr) {
    if (SHOAL_HSE_HZ == 0) {
        return false;
    }
    *rcc_cr |= RCC_CR_HSEON | (SHOAL_HSE_BYPASS ? RCC_CR_HSEBYP : 0u);
    return stm32_ready(rcc_cr, RCC_CR_HSERDY, RCC_CR_HSERDY);
}

static inline bool stm32_pll_start(volatile uint32_t *rcc_cr) {
    *rcc_cr |= RCC_CR_PLLON;
    return stm32_ready(rcc_cr, RCC_CR_PLLRDY, RCC_CR_PLLRDY);
}

/* Replaces the masked bits. */
static inline void stm32_set(volatile uint32_t *reg, uint32_t mask, uint32_t value) {
    *reg = (*reg & ~mask) | value;
}

#endif
