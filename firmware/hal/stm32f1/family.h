/* STM32F1: the board's clock from its crystal, or as much of it as the internal oscillator comes to (64 MHz). */
#ifndef SHOAL_FAMILY_H
#define SHOAL_FAMILY_H

#include "../stm32/stm32.h"

#define FAMILY_INTERRUPTS 60
#define RCC_BASE          0x40021000u
#define RCC_CR            REG32(RCC_BASE + 0x00u)
#define RCC_CFGR          REG32(RCC_BASE + 0x04u)
#define RCC_APB2ENR       REG32(RCC_BASE + 0x18u)
#define RCC_APB1          (RCC_BASE + 0x1Cu)
#define RCC_APB2          (RCC_BASE + 0x18u)
#define FLASH_ACR         REG32(0x40022000u)
#define IWDG_BASE         0x40003000u
#define LSI_HZ            40000u

#define RCC_CFGR_SW         (3u << 0)
#define RCC_CFGR_SW_PLL     (2u << 0)
#define RCC_CFGR_SWS        (3u << 2)
#define RCC_CFGR_SWS_PLL    (2u << 2)
#define RCC_CFGR_PPRE1_DIV2 (4u << 8)
#define RCC_CFGR_PLLSRC_HSE (1u << 16)
#define RCC_CFGR_PLLMUL(n)  (((n)-2u) << 18)
#define RCC_APB2ENR_IOPAEN  (1u << 2)
#define FLASH_ACR_PREFETCH  (1u << 4)
#define HSI_HZ              8000000u /* the PLL takes half of it */
#define HSE_PLL_MULTIPLIER  (SHOAL_HSE_HZ > 0 ? (uint32_t)(SHOAL_CLOCK_HZ / SHOAL_HSE_HZ) : 2u)
#define HSI_PLL_MULTIPLIER  (SHOAL_CLOCK_HZ / (HSI_HZ / 2u) < 16u ? SHOAL_CLOCK_HZ / (HSI_HZ / 2u) : 16u)

#define FAMILY_USART1                                                                                                  \
    { 0x40013800u, RCC_APB2, 14, 37, STM32_APB2 }
#define FAMILY_USART2                                                                                                  \
    { 0x40004400u, RCC_APB1, 17, 38, STM32_APB1 }
#define FAMILY_USART3                                                                                                  \
    { 0x40004800u, RCC_APB1, 18, 39, STM32_APB1 }

#include "../stm32/usart_f1.h"
#include "gpio_f1.h"

static inline bool clock_switch(void) {
    stm32_set(&RCC_CFGR, RCC_CFGR_SW, RCC_CFGR_SW_PLL);
    return stm32_ready(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL);
}

static inline uint32_t family_start(void) {
    bool crystal = stm32_crystal_start(&RCC_CR);
    FLASH_ACR = SHOAL_FLASH_WAIT_STATES | FLASH_ACR_PREFETCH;
    RCC_CFGR = RCC_CFGR_PPRE1_DIV2 | (crystal ? RCC_CFGR_PLLSRC_HSE | RCC_CFGR_PLLMUL(HSE_PLL_MULTIPLIER)
                                              : RCC_CFGR_PLLMUL(HSI_PLL_MULTIPLIER));
    if (!stm32_pll_start(&RCC_CR) || !clock_switch()) {
        RCC_CFGR = 0;
        return HSI_HZ;
    }
    return crystal ? SHOAL_CLOCK_HZ : HSI_HZ / 2u * HSI_PLL_MULTIPLIER;
}

static inline uint32_t family_uart_hz(uint32_t core_hz, stm32_bus bus) {
    return bus == STM32_APB1 && core_hz != HSI_HZ ? core_hz / 2u : core_hz;
}

#endif
