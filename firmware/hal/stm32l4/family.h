/* STM32L4+: 120 MHz from the internal 16 MHz oscillator. */
#ifndef SHOAL_FAMILY_H
#define SHOAL_FAMILY_H

#include "../stm32/stm32.h"

#define FAMILY_INTERRUPTS 95
#define RCC_BASE          0x40021000u
#define RCC_CR            REG32(RCC_BASE + 0x00u)
#define RCC_CFGR          REG32(RCC_BASE + 0x08u)
#define RCC_PLLCFGR       REG32(RCC_BASE + 0x0Cu)
#define RCC_AHB2ENR       REG32(RCC_BASE + 0x4Cu)
#define RCC_APB1ENR1      REG32(RCC_BASE + 0x58u)
#define RCC_APB1_1        (RCC_BASE + 0x58u)
#define RCC_APB1_2        (RCC_BASE + 0x5Cu)
#define RCC_APB2          (RCC_BASE + 0x60u)
#define FLASH_ACR         REG32(0x40022000u)
#define PWR_BASE          0x40007000u
#define PWR_CR2           REG32(PWR_BASE + 0x04u)
#define PWR_CR5           REG32(PWR_BASE + 0x80u)
#define GPIO_BASE         0x48000000u
#define GPIO_ENABLE       RCC_AHB2ENR
#define LPUART1_BASE      0x40008000u
#define IWDG_BASE         0x40003000u
#define LSI_HZ            32000u

#define RCC_CR_HSION        (1u << 8)
#define RCC_CR_HSIRDY       (1u << 10)
#define RCC_CFGR_SW         (3u << 0)
#define RCC_CFGR_SW_PLL     (3u << 0)
#define RCC_CFGR_SWS        (3u << 2)
#define RCC_CFGR_SWS_PLL    (3u << 2)
#define RCC_CFGR_HPRE       (0xFu << 4)
#define RCC_CFGR_HPRE_DIV2  (8u << 4)
#define RCC_PLLCFGR_SRC_HSI (2u << 0)
#define RCC_PLLCFGR_M(m)    (((m)-1u) << 4)
#define RCC_PLLCFGR_N(n)    ((n) << 8)
#define RCC_PLLCFGR_REN     (1u << 24)
#define RCC_PLLCFGR_R2      (0u << 25)
#define RCC_APB1ENR1_PWREN  (1u << 28)
#define FLASH_ACR_LATENCY   (0xFu << 0)
#define FLASH_ACR_CACHES    (7u << 8) /* prefetch, instruction and data cache */
#define PWR_CR2_IOSV        (1u << 9) /* VddIO2, which feeds PG2 to PG15, is there */
#define PWR_CR5_R1MODE      (1u << 8) /* clear: boost, for more than 80 MHz */
#define MSI_HZ              4000000u
#define PLL_INPUT_HZ        8000000u
#define PLL_INPUT_DIVIDER   2u
#define BOOST_SETTLE_POLLS  64u /* a microsecond and more at half the clock */

#define FAMILY_USART1                                                                                                  \
    { 0x40013800u, RCC_APB2, 14, 37, STM32_APB2 }
#define FAMILY_USART2                                                                                                  \
    { 0x40004400u, RCC_APB1_1, 17, 38, STM32_APB1 }
#define FAMILY_USART3                                                                                                  \
    { 0x40004800u, RCC_APB1_1, 18, 39, STM32_APB1 }
#define FAMILY_USART4                                                                                                  \
    { 0x40004C00u, RCC_APB1_1, 19, 52, STM32_APB1 }
#define FAMILY_USART5                                                                                                  \
    { 0x40005000u, RCC_APB1_1, 20, 53, STM32_APB1 }
#define FAMILY_LPUART1                                                                                                 \
    { LPUART1_BASE, RCC_APB1_2, 0, 70, STM32_APB1 }

#include "../stm32/gpio_f2.h"
#include "../stm32/usart_l4.h"

_Static_assert(SHOAL_CLOCK_HZ <= 120000000 && SHOAL_CLOCK_HZ % 4000000 == 0,
               "SHOAL_CLOCK_HZ: a multiple of 4 MHz, up to 120");

static inline uint32_t family_start(void) {
    RCC_APB1ENR1 |= RCC_APB1ENR1_PWREN;
    (void)RCC_APB1ENR1;
    PWR_CR2 |= PWR_CR2_IOSV;
    PWR_CR5 &= ~PWR_CR5_R1MODE;
    RCC_CR |= RCC_CR_HSION;
    if (!stm32_ready(&RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY)) {
        return MSI_HZ;
    }
    RCC_PLLCFGR = RCC_PLLCFGR_SRC_HSI | RCC_PLLCFGR_M(PLL_INPUT_DIVIDER) |
                  RCC_PLLCFGR_N(2u * SHOAL_CLOCK_HZ / PLL_INPUT_HZ) | RCC_PLLCFGR_R2 | RCC_PLLCFGR_REN;
    if (!stm32_pll_start(&RCC_CR)) {
        return MSI_HZ;
    }
    stm32_set(&FLASH_ACR, FLASH_ACR_LATENCY, SHOAL_FLASH_WAIT_STATES | FLASH_ACR_CACHES);
    (void)FLASH_ACR;
    /* Above 80 MHz the core must stay at half the clock for a microsecond after the switch. */
    stm32_set(&RCC_CFGR, RCC_CFGR_HPRE, RCC_CFGR_HPRE_DIV2);
    stm32_set(&RCC_CFGR, RCC_CFGR_SW, RCC_CFGR_SW_PLL);
    if (!stm32_ready(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL)) {
        RCC_CFGR = 0;
        return MSI_HZ;
    }
    for (uint32_t polls = 0; polls < BOOST_SETTLE_POLLS; polls++) {
        (void)RCC_CFGR;
    }
    stm32_set(&RCC_CFGR, RCC_CFGR_HPRE, 0);
    return SHOAL_CLOCK_HZ;
}

static inline uint32_t family_uart_hz(uint32_t core_hz, stm32_bus bus) {
    (void)bus;
    return core_hz;
}

#endif
