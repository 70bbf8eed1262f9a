/* Clocks and serial ports of F2, F4 and F7: one register map. The PLL's input is 1 MHz, and its oscillator runs at
 * twice the core's clock. */
#ifndef SHOAL_STM32_CLOCK_F2_H
#define SHOAL_STM32_CLOCK_F2_H

#include "ports_f2.h"
#include "stm32.h"

#define RCC_BASE    0x40023800u
#define RCC_CR      REG32(RCC_BASE + 0x00u)
#define RCC_PLLCFGR REG32(RCC_BASE + 0x04u)
#define RCC_CFGR    REG32(RCC_BASE + 0x08u)
#define RCC_AHB1ENR REG32(RCC_BASE + 0x30u)
#define RCC_APB1ENR REG32(RCC_BASE + 0x40u)
#define RCC_APB1    (RCC_BASE + 0x40u)
#define RCC_APB2    (RCC_BASE + 0x44u)
#define FLASH_ACR   REG32(0x40023C00u)
#define PWR_CR      REG32(0x40007000u)
#define PWR_CSR     REG32(0x40007004u)
#define IWDG_BASE   0x40003000u
#define LSI_HZ      32000u

#define GPIO_BASE   0x40020000u
#define GPIO_ENABLE RCC_AHB1ENR

#define RCC_PLLCFGR_N(n)   ((n) << 6)
#define RCC_PLLCFGR_P2     (0u << 16)
#define RCC_PLLCFGR_HSE    (1u << 22)
#define RCC_PLLCFGR_Q(q)   ((q) << 24)
#define RCC_PLLCFGR_R2     (2u << 28) /* the reset value, where the F446 has one divider more */
#define RCC_CFGR_SW_PLL    (2u << 0)
#define RCC_CFGR_SWS       (3u << 2)
#define RCC_CFGR_SWS_PLL   (2u << 2)
#define RCC_CFGR_APB1_DIV4 (5u << 10)
#define RCC_CFGR_APB2_DIV2 (4u << 13)
#define RCC_APB1ENR_PWREN  (1u << 28)
#define FLASH_ACR_CACHES   (7u << 8)  /* F2, F4: prefetch, instruction and data cache; F7: prefetch, accelerator */
#define PWR_CR_VOS_SCALE1  (3u << 14) /* the F405 has the upper bit only, the F2 none */
#define PWR_CR_ODEN        (1u << 16)
#define PWR_CR_ODSWEN      (1u << 17)
#define PWR_CSR_ODRDY      (1u << 16)
#define PWR_CSR_ODSWRDY    (1u << 17)
#define HSI_HZ             16000000u
#define OVERDRIVE_ABOVE_HZ 168000000u /* F446 and F7; the F405 ends there */
#define PLL_INPUT_HZ       1000000u
#define USB_HZ             48000000u

_Static_assert(SHOAL_CLOCK_HZ % 500000 == 0 && SHOAL_HSE_HZ % 1000000 == 0,
               "SHOAL_CLOCK_HZ: a multiple of 0.5 MHz; SHOAL_HSE_HZ: of 1 MHz");

static inline bool clock_overdrive(void) {
    PWR_CR |= PWR_CR_ODEN;
    if (!stm32_ready(&PWR_CSR, PWR_CSR_ODRDY, PWR_CSR_ODRDY)) {
        return false;
    }
    PWR_CR |= PWR_CR_ODSWEN;
    return stm32_ready(&PWR_CSR, PWR_CSR_ODSWRDY, PWR_CSR_ODSWRDY);
}

static inline uint32_t family_start(void) {
    const uint32_t oscillator_hz = 2u * SHOAL_CLOCK_HZ;
    const uint32_t common = RCC_PLLCFGR_N(oscillator_hz / PLL_INPUT_HZ) | RCC_PLLCFGR_P2 | RCC_PLLCFGR_R2 |
                            RCC_PLLCFGR_Q((oscillator_hz + USB_HZ - 1u) / USB_HZ);
    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    (void)RCC_APB1ENR;
    PWR_CR |= PWR_CR_VOS_SCALE1;
    bool crystal = stm32_crystal_start(&RCC_CR);
    RCC_PLLCFGR = common | (crystal ? SHOAL_HSE_HZ / PLL_INPUT_HZ | RCC_PLLCFGR_HSE : HSI_HZ / PLL_INPUT_HZ);
    if (!stm32_pll_start(&RCC_CR) || (SHOAL_CLOCK_HZ > OVERDRIVE_ABOVE_HZ && !clock_overdrive())) {
        return HSI_HZ;
    }
    FLASH_ACR = SHOAL_FLASH_WAIT_STATES | FLASH_ACR_CACHES;
    (void)FLASH_ACR;
    RCC_CFGR = RCC_CFGR_APB1_DIV4 | RCC_CFGR_APB2_DIV2;
    RCC_CFGR |= RCC_CFGR_SW_PLL;
    if (!stm32_ready(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL)) {
        RCC_CFGR = 0;
        return HSI_HZ;
    }
    return SHOAL_CLOCK_HZ;
}

static inline uint32_t family_uart_hz(uint32_t core_hz, stm32_bus bus) {
    if (core_hz == HSI_HZ) {
        return core_hz;
    }
    return bus == STM32_APB1 ? core_hz / 4u : core_hz / 2u;
}

#endif
