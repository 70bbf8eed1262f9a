/* The serial ports of F2, F4, F7 and H7: they differ only in where RCC_APB1 and RCC_APB2, which enable them, lie. */
#ifndef SHOAL_STM32_PORTS_F2_H
#define SHOAL_STM32_PORTS_F2_H

#define FAMILY_USART1                                                                                                  \
    { 0x40011000u, RCC_APB2, 4, 37, STM32_APB2 }
#define FAMILY_USART2                                                                                                  \
    { 0x40004400u, RCC_APB1, 17, 38, STM32_APB1 }
#define FAMILY_USART3                                                                                                  \
    { 0x40004800u, RCC_APB1, 18, 39, STM32_APB1 }
#define FAMILY_USART4                                                                                                  \
    { 0x40004C00u, RCC_APB1, 19, 52, STM32_APB1 }
#define FAMILY_USART5                                                                                                  \
    { 0x40005000u, RCC_APB1, 20, 53, STM32_APB1 }
#define FAMILY_USART6                                                                                                  \
    { 0x40011400u, RCC_APB2, 5, 71, STM32_APB2 }

#endif
