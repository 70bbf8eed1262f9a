/* STM32F2. */
#ifndef SHOAL_FAMILY_H
#define SHOAL_FAMILY_H

#define FAMILY_INTERRUPTS 81

#include "../stm32/clock_f2.h"
#include "../stm32/gpio_f2.h"
#include "../stm32/usart_f1.h"

#endif
