/* STM32H742, H743 and H753: up to 400 MHz at voltage scale 1, which every revision of the chip reaches. */
#ifndef SHOAL_FAMILY_H
#define SHOAL_FAMILY_H

#include "../stm32/stm32.h"

#define FAMILY_INTERRUPTS 150
#define RCC_BASE          0x58024400u
#define RCC_CR            REG32(RCC_BASE + 0x00u)
#define RCC_CFGR          REG32(RCC_BASE + 0x10u)
#define RCC_D1CFGR        REG32(RCC_BASE + 0x18u)
#define RCC_D2CFGR        REG32(RCC_BASE + 0x1Cu)
#define RCC_D3CFGR        REG32(RCC_BASE + 0x20u)
#define RCC_PLLCKSELR     REG32(RCC_BASE + 0x28u)
#define RCC_PLLCFGR       REG32(RCC_BASE + 0x2Cu)
#define RCC_PLL1DIVR      REG32(RCC_BASE + 0x30u)
#define RCC_AHB2ENR       REG32(RCC_BASE + 0xDCu)
#define RCC_AHB4ENR       REG32(RCC_BASE + 0xE0u)
#define RCC_APB1          (RCC_BASE + 0xE8u)
#define RCC_APB2          (RCC_BASE + 0xF0u)
#define FLASH_ACR         REG32(0x52002000u)
#define PWR_BASE          0x58024800u
#define PWR_CSR1          REG32(PWR_BASE + 0x04u)
#define PWR_CR3           REG32(PWR_BASE + 0x0Cu)
#define PWR_D3CR          REG32(PWR_BASE + 0x18u)
#define GPIO_BASE         0x58020000u
#define GPIO_ENABLE       RCC_AHB4ENR
#define IWDG_BASE         0x58004800u
#define LSI_HZ            32000u

#define RCC_CFGR_SW           (7u << 0)
#define RCC_CFGR_SW_PLL1      (3u << 0)
#define RCC_CFGR_SWS          (7u << 3)
#define RCC_CFGR_SWS_PLL1     (3u << 3)
#define RCC_D1CFGR_HPRE_DIV2  (8u << 0)
#define RCC_D1CFGR_PPRE_DIV2  (4u << 4)
#define RCC_D2CFGR_PPRE_DIV2  (4u << 4 | 4u << 8)
#define RCC_D3CFGR_PPRE_DIV2  (4u << 4)
#define RCC_PLLCKSELR_HSI     (0u << 0)
#define RCC_PLLCKSELR_HSE     (2u << 0)
#define RCC_PLLCKSELR_M1(m)   ((m) << 4)
#define RCC_PLLCKSELR_OFF     (32u << 12 | 32u << 20) /* the reset values of the other two */
#define RCC_PLLCFGR_1RGE_2MHZ (1u << 2)
#define RCC_PLLCFGR_1PEN      (1u << 16)
#define RCC_PLL1DIVR_N(n)     (((n)-1u) << 0)
#define RCC_PLL1DIVR_P(p)     (((p)-1u) << 9)
#define RCC_PLL1DIVR_Q(q)     (((q)-1u) << 16)
#define RCC_PLL1DIVR_R(r)     (((r)-1u) << 24)
#define RCC_AHB2ENR_SRAMS     (7u << 29) /* SRAM1 to SRAM3, whose domain is off after reset */
#define FLASH_ACR_HIGHFREQ2   (2u << 4)  /* programming delay for up to 210 MHz on the flash's bus */
#define PWR_CSR1_ACTVOSRDY    (1u << 13)
#define PWR_CR3_BYPASS        (1u << 0)
#define PWR_CR3_LDOEN         (1u << 1)
#define PWR_CR3_SCUEN         (1u << 2)
#define PWR_D3CR_VOSRDY       (1u << 13)
#define PWR_D3CR_VOS_SCALE1   (3u << 14)
#define DBGMCU_IDCODE         REG32(0x5C001000u)
#define DBGMCU_REVISION_V     0x20000000u
#define AXI_TARG7_FN_MOD      REG32(0x51008108u)
#define AXI_FN_MOD_READ_ONE   (1u << 0)
#define HSI_HZ                64000000u
#define PLL_INPUT_HZ          2000000u

#include "../stm32/gpio_f2.h"
#include "../stm32/ports_f2.h"
#include "../stm32/usart_l4.h"

_Static_assert(SHOAL_CLOCK_HZ <= 400000000, "SHOAL_CLOCK_HZ: at most 400 MHz at voltage scale 1");

/* The voltage scale can be changed only after the supply, here the internal regulator, was written once. */
static inline bool power_start(void) {
    stm32_set(&PWR_CR3, PWR_CR3_SCUEN | PWR_CR3_BYPASS | PWR_CR3_LDOEN, PWR_CR3_LDOEN);
    if (!stm32_ready(&PWR_CSR1, PWR_CSR1_ACTVOSRDY, PWR_CSR1_ACTVOSRDY)) {
        return false;
    }
    PWR_D3CR |= PWR_D3CR_VOS_SCALE1;
    return stm32_ready(&PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY);
}

static inline uint32_t family_start(void) {
    RCC_AHB2ENR |= RCC_AHB2ENR_SRAMS;
    if (DBGMCU_IDCODE < DBGMCU_REVISION_V) {
        AXI_TARG7_FN_MOD = AXI_FN_MOD_READ_ONE; /* erratum: two reads at once from the AXI SRAM may return wrong data */
    }
    if (!power_start()) {
        return HSI_HZ;
    }
    bool crystal = stm32_crystal_start(&RCC_CR);
    RCC_PLLCKSELR = RCC_PLLCKSELR_OFF | (crystal ? RCC_PLLCKSELR_HSE | RCC_PLLCKSELR_M1(SHOAL_HSE_HZ / PLL_INPUT_HZ)
                                                 : RCC_PLLCKSELR_HSI | RCC_PLLCKSELR_M1(HSI_HZ / PLL_INPUT_HZ));
    RCC_PLLCFGR = RCC_PLLCFGR_1RGE_2MHZ | RCC_PLLCFGR_1PEN;
    RCC_PLL1DIVR = RCC_PLL1DIVR_N(2u * SHOAL_CLOCK_HZ / PLL_INPUT_HZ) | RCC_PLL1DIVR_P(2u) | RCC_PLL1DIVR_Q(2u) |
                   RCC_PLL1DIVR_R(2u);
    if (!stm32_pll_start(&RCC_CR)) {
        return HSI_HZ;
    }
    FLASH_ACR = SHOAL_FLASH_WAIT_STATES | FLASH_ACR_HIGHFREQ2;
    (void)FLASH_ACR;
    RCC_D1CFGR = RCC_D1CFGR_HPRE_DIV2 | RCC_D1CFGR_PPRE_DIV2;
    RCC_D2CFGR = RCC_D2CFGR_PPRE_DIV2;
    RCC_D3CFGR = RCC_D3CFGR_PPRE_DIV2;
    stm32_set(&RCC_CFGR, RCC_CFGR_SW, RCC_CFGR_SW_PLL1);
    if (!stm32_ready(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL1)) {
        RCC_D1CFGR = RCC_D2CFGR = RCC_D3CFGR = 0;
        return HSI_HZ;
    }
    return SHOAL_CLOCK_HZ;
}

static inline uint32_t family_uart_hz(uint32_t core_hz, stm32_bus bus) {
    (void)bus;
    return core_hz == HSI_HZ ? core_hz : core_hz / 4u;
}

#endif
