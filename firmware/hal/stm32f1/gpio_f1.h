/* The GPIO block of the F1: four bits of mode a pin, no alternate function number (a port's default pins are used). */
#ifndef SHOAL_STM32F1_GPIO_H
#define SHOAL_STM32F1_GPIO_H

#include "../stm32/stm32.h"

#define GPIO_PORT(pin) (0x40010800u + 0x400u * ((uint32_t)(pin) / 16u))
#define GPIO_CR(pin)   REG32(GPIO_PORT(pin) + 4u * ((uint32_t)(pin) % 16u / 8u))
#define GPIO_BSRR(pin) REG32(GPIO_PORT(pin) + 0x10u)

#define GPIO_OUTPUT_10MHZ           0x1u
#define GPIO_INPUT_PULLED           0x8u
#define GPIO_ALTERNATE_OUTPUT_10MHZ 0x9u

static inline void gpio_mode(stm32_pin pin, uint32_t mode) {
    uint32_t shift = 4u * ((uint32_t)pin % 8u);
    RCC_APB2ENR |= RCC_APB2ENR_IOPAEN << ((uint32_t)pin / 16u);
    (void)RCC_APB2ENR; /* the bus needs the enable to have arrived before the first access */
    stm32_set(&GPIO_CR(pin), 0xFu << shift, mode << shift);
}

static inline void gpio_write(stm32_pin pin, bool level) {
    GPIO_BSRR(pin) = 1u << ((uint32_t)pin % 16u + (level ? 0u : 16u));
}

/* Gives a serial port one of its pins. The input is pulled up, so that an open wire reads as an idle line. */
static inline void gpio_serial(stm32_pin pin, uint32_t alternate, bool transmit) {
    (void)alternate;
    gpio_mode(pin, transmit ? GPIO_ALTERNATE_OUTPUT_10MHZ : GPIO_INPUT_PULLED);
    if (!transmit) {
        gpio_write(pin, true); /* of an input, the output bit chooses pull-up */
    }
}

static inline void gpio_output(stm32_pin pin) {
    gpio_mode(pin, GPIO_OUTPUT_10MHZ);
}

#endif
