/* Registers and small helpers that every Cortex-M3, M4, M7 and M33 has; names as in Arm's architecture manuals. */
#ifndef SHOAL_CORTEXM_H
#define SHOAL_CORTEXM_H

#include "../hal.h"
#include "../ring.h"

#define REG32(address) (*(volatile uint32_t *)(address))

#define DWT_CTRL            REG32(0xE0001000u)
#define DWT_CTRL_CYCCNTENA  (1u << 0)
#define DWT_CTRL_NOCYCCNT   (1u << 25)
#define DWT_CYCCNT          REG32(0xE0001004u)
#define DWT_LAR             REG32(0xE0001FB0u)
#define DWT_LAR_UNLOCK      0xC5ACCE55u
#define NVIC_ISER(irq)      REG32(0xE000E100u + 4u * ((irq) / 32u))
#define SYST_CSR            REG32(0xE000E010u)
#define SYST_CSR_ENABLE     (1u << 0)
#define SYST_CSR_TICKINT    (1u << 1)
#define SYST_CSR_CORE       (1u << 2)
#define SYST_CSR_COUNTFLAG  (1u << 16)
#define SYST_RVR            REG32(0xE000E014u)
#define SYST_RVR_MAX        0x00FFFFFFu
#define SYST_CVR            REG32(0xE000E018u)
#define SCB_ICSR            REG32(0xE000ED04u)
#define SCB_ICSR_PENDSTCLR  (1u << 25)
#define SCB_VTOR            REG32(0xE000ED08u)
#define SCB_AIRCR           REG32(0xE000ED0Cu)
#define SCB_AIRCR_SYSRESET  (0x05FA0000u | 1u << 2)
#define SCB_CCR             REG32(0xE000ED14u)
#define SCB_CCR_DIV_0_TRP   (1u << 4)
#define SCB_CCR_STKALIGN    (1u << 9)
#define SCB_CCR_DC          (1u << 16)
#define SCB_CCR_IC          (1u << 17)
#define SCB_SHCSR           REG32(0xE000ED24u)
#define SCB_SHCSR_FAULTS    (7u << 16) /* memory management, bus and usage faults apart from the hard fault */
#define SCB_CFSR            REG32(0xE000ED28u)
#define SCB_CFSR_MSTKERR    (1u << 4)
#define SCB_CFSR_MLSPERR    (1u << 5)
#define SCB_CFSR_MMARVALID  (1u << 7)
#define SCB_CFSR_STKERR     (1u << 12)
#define SCB_CFSR_LSPERR     (1u << 13)
#define SCB_CFSR_BFARVALID  (1u << 15)
#define SCB_CFSR_STKOF      (1u << 20) /* Armv8-M: below its limit register */
#define SCB_MMFAR           REG32(0xE000ED34u)
#define SCB_BFAR            REG32(0xE000ED38u)
#define SCB_CLIDR           REG32(0xE000ED78u)
#define SCB_CCSIDR          REG32(0xE000ED80u)
#define SCB_CSSELR          REG32(0xE000ED84u)
#define SCB_CPACR           REG32(0xE000ED88u)
#define SCB_CPACR_FPU       (0xFu << 20)
#define MPU_TYPE            REG32(0xE000ED90u)
#define MPU_CTRL            REG32(0xE000ED94u)
#define MPU_CTRL_ENABLE     (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2)
#define MPU_RNR             REG32(0xE000ED98u)
#define MPU_RBAR            REG32(0xE000ED9Cu)
#define MPU_RASR            REG32(0xE000EDA0u)
#define MPU_RASR_ENABLE     (1u << 0)
#define MPU_RASR_SIZE(log2) (((log2)-1u) << 1)
#define MPU_RASR_XN         (1u << 28)
#define SCB_DEMCR           REG32(0xE000EDFCu)
#define SCB_DEMCR_TRCENA    (1u << 24)
#define SCB_ICIALLU         REG32(0xE000EF50u)
#define SCB_DCISW           REG32(0xE000EF60u)
#define SCB_DCCSW           REG32(0xE000EF6Cu)

/* A reserved address that no bus of these chips answers at. */
#define CORTEXM_NOWHERE 0xE0200000u

/* Defined by the family: the handler of every device interrupt. Only the serial ports' are ever enabled. */
void cortexm_interrupt(void);

/* For hal_init: turns on the caches and starts the cycle counter where there are any (an emulator's never counts), and
 * guards the stack: where there is an MPU, what lies below the stack becomes inaccessible, so that an overflow faults
 * at its own address even where the bus would tell it late. That costs no RAM. On Armv8-M the stack limit register
 * does as much. */
void cortexm_init(void);

/* hal_idle, for these rings. SysTick runs at core_hz. */
uint32_t cortexm_idle(uint32_t microseconds, uint32_t core_hz, const hal_ring rings[SHOAL_UARTS]);

static inline void cortexm_barrier(void) {
    __asm volatile("dsb\n isb" ::: "memory");
}

static inline void cortexm_interrupt_enable(uint32_t irq) {
    NVIC_ISER(irq) = 1u << (irq % 32u);
}

#endif
