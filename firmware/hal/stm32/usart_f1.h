/* The serial port of F1, F2 and F4: one data register, one status register. */
#ifndef SHOAL_STM32_USART_F1_H
#define SHOAL_STM32_USART_F1_H

#include "stm32.h"

#define USART_SR(base)  REG32((base) + 0x00u)
#define USART_RDR(base) REG32((base) + 0x04u)
#define USART_TDR(base) REG32((base) + 0x04u)
#define USART_BRR(base) REG32((base) + 0x08u)
#define USART_CR1(base) REG32((base) + 0x0Cu)

#define USART_SR_ORE     (1u << 3)
#define USART_SR_RXNE    (1u << 5)
#define USART_SR_TC      (1u << 6)
#define USART_SR_TXE     (1u << 7)
#define USART_CR1_RE     (1u << 2)
#define USART_CR1_TE     (1u << 3)
#define USART_CR1_RXNEIE (1u << 5)
#define USART_CR1_UE     (1u << 13)

/* Reading the status and then the data register, as receiving does, clears an overrun. */
static inline void usart_clear_errors(uint32_t base) {
    (void)base;
}

static inline uint32_t usart_divider(uint32_t base, uint32_t hz, uint32_t baud) {
    (void)base;
    return (hz + baud / 2u) / baud;
}

#endif
