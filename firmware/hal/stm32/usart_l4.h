/* The serial port of L4, F7 and H7: separate data registers, flags that are cleared by writing. The low-power
 * port's divider has eight more bits. */
#ifndef SHOAL_STM32_USART_L4_H
#define SHOAL_STM32_USART_L4_H

#include "stm32.h"

#define USART_CR1(base) REG32((base) + 0x00u)
#define USART_BRR(base) REG32((base) + 0x0Cu)
#define USART_SR(base)  REG32((base) + 0x1Cu)
#define USART_ICR(base) REG32((base) + 0x20u)
#define USART_RDR(base) REG32((base) + 0x24u)
#define USART_TDR(base) REG32((base) + 0x28u)

#define USART_CR1_UE     (1u << 0)
#define USART_CR1_RE     (1u << 2)
#define USART_CR1_TE     (1u << 3)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_SR_ORE     (1u << 3)
#define USART_SR_RXNE    (1u << 5)
#define USART_SR_TC      (1u << 6)
#define USART_SR_TXE     (1u << 7)
#define USART_ICR_ERRORS 0xFu /* parity, framing, noise, overrun */

static inline void usart_clear_errors(uint32_t base) {
    USART_ICR(base) = USART_ICR_ERRORS;
}

static inline uint32_t usart_divider(uint32_t base, uint32_t hz, uint32_t baud) {
#if defined(LPUART1_BASE)
    uint64_t scaled = base == LPUART1_BASE ? (uint64_t)hz * 256u : hz;
#else
    (void)base;
    uint64_t scaled = hz;
#endif
    return (uint32_t)((scaled + baud / 2u) / baud);
}

#endif
