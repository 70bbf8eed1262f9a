/* STM32F7: the register map of the F4, the serial port of the L4. */
#ifndef SHOAL_FAMILY_H
#define SHOAL_FAMILY_H

#define FAMILY_INTERRUPTS 110

#include "../stm32/clock_f2.h"
#include "../stm32/gpio_f2.h"
#include "../stm32/usart_l4.h"

#if defined(SHOAL_STORE_BYTES)
#include "quadspi.h"
#endif

#endif
