/* STM32F4: F405, F446 and their like. */
#ifndef SHOAL_FAMILY_H
#define SHOAL_FAMILY_H

#define FAMILY_INTERRUPTS 98

#include "../stm32/clock_f2.h"
#include "../stm32/gpio_f2.h"
#include "../stm32/usart_f1.h"

#endif
