/* Caches, cycle counter, stack guard, sleep and reset: what hal.h asks and the core alone answers. */
#include "cortexm.h"
#include "../bare/bare.h"
#include "../cycles.h"

#if __ARM_ARCH < 8
/* The region below the stack: the largest frame that is caught at its own address. */
#define GUARD_LOG2 12u
#endif

static bool counts;
static hal_cycle_count cycles;

static bool cycles_start(void) {
    SCB_DEMCR |= SCB_DEMCR_TRCENA;
    DWT_LAR = DWT_LAR_UNLOCK; /* a Cortex-M7 ignores the counter's registers until then */
    if ((DWT_CTRL & DWT_CTRL_NOCYCCNT) != 0u) {
        return false;
    }
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    cortexm_barrier();
    uint32_t before = DWT_CYCCNT;
    cortexm_barrier();
    return DWT_CYCCNT != before;
}

static void guard_stack(void) {
#if __ARM_ARCH >= 8
    __asm volatile("msr psplim, %0" ::"r"(_stack_bottom));
#else
    if (MPU_TYPE == 0u) {
        return;
    }
    MPU_RNR = 0;
    MPU_RBAR = (uint32_t)(uintptr_t)_stack_bottom - (1u << GUARD_LOG2);
    MPU_RASR = MPU_RASR_XN | MPU_RASR_SIZE(GUARD_LOG2) | MPU_RASR_ENABLE; /* access: none */
    MPU_CTRL = MPU_CTRL_PRIVDEFENA | MPU_CTRL_ENABLE;
    cortexm_barrier();
#endif
}

/* Does to every line of the data cache what writing the line's set and way to this register does. Only a Cortex-M7 has
 * any of these registers. */
static void each_line(volatile uint32_t *operation) {
    SCB_CSSELR = 0; /* level 1, data */
    cortexm_barrier();
    uint32_t geometry = SCB_CCSIDR;
    uint32_t line_log2 = (geometry & 7u) + 4u;
    uint32_t last_way = geometry >> 3 & 0x3FFu;
    uint32_t last_set = geometry >> 13 & 0x7FFFu;
    uint32_t way_shift = (uint32_t)__builtin_clz(last_way | 1u);
    for (uint32_t set = 0; set <= last_set; set++) {
        for (uint32_t way = 0; way <= last_way; way++) {
            *operation = way << way_shift | set << line_log2;
        }
    }
    cortexm_barrier();
}

/* From an unknown state. */
static void caches_on(void) {
    if (SCB_CLIDR == 0u) {
        return;
    }
    SCB_ICIALLU = 0;
    cortexm_barrier();
    each_line(&SCB_DCISW);
    SCB_CCR |= SCB_CCR_IC | SCB_CCR_DC;
    cortexm_barrier();
}

void cortexm_init(void) {
    caches_on();
    counts = cycles_start();
    guard_stack();
}

SHOAL_LINK bool hal_has_cycles(void) {
    return counts;
}

SHOAL_LINK uint64_t hal_cycles(void) {
    return counts ? cycles_extend(&cycles, DWT_CYCCNT) : 0;
}

SHOAL_LINK uint32_t cortexm_idle(uint32_t microseconds, uint32_t core_hz, const hal_ring rings[SHOAL_UARTS]) {
    uint32_t per_microsecond = core_hz / 1000000u;
    uint32_t longest = SYST_RVR_MAX / per_microsecond;
    uint32_t slice = microseconds < longest ? microseconds : longest;
    if (slice == 0u) {
        return 0;
    }
    /* A masked interrupt still ends WFI, so that a byte cannot slip in between the check and the sleep. */
    __asm volatile("cpsid i" ::: "memory");
    uint32_t slept = 0;
    if (rings_empty(rings)) {
        uint32_t ticks = slice * per_microsecond;
        SYST_RVR = ticks;
        SYST_CVR = 0;
        SYST_CSR = SYST_CSR_CORE | SYST_CSR_TICKINT | SYST_CSR_ENABLE;
        __asm volatile("dsb\n wfi" ::: "memory");
        uint32_t left = SYST_CVR;
        bool expired = (SYST_CSR & SYST_CSR_COUNTFLAG) != 0u;
        SYST_CSR = 0;
        SCB_ICSR = SCB_ICSR_PENDSTCLR;
        /* a counter at zero that has not expired has not even started: a byte was faster */
        slept = expired ? slice : left == 0u ? 0u : (ticks - left) / per_microsecond;
    }
    __asm volatile("cpsie i\n isb" ::: "memory");
    if (microseconds == HAL_FOREVER) {
        return HAL_FOREVER;
    }
    return microseconds - (slept == 0u ? 1u : slept); /* progress in every call bounds the caller's loop */
}

_Noreturn void hal_reset(void) {
    __asm volatile("cpsid i\n dsb" ::: "memory");
    if ((SCB_CCR & SCB_CCR_DC) != 0u) {
        each_line(&SCB_DCCSW); /* what .noinit keeps may be nowhere but in the cache */
    }
    SCB_AIRCR = SCB_AIRCR_SYSRESET;
    for (;;) {
        cortexm_barrier();
    }
}
