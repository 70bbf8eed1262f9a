/* The GPIO block of every family since the F2. The family says where: GPIO_BASE and GPIO_ENABLE (a port a bit). */
#ifndef SHOAL_STM32_GPIO_F2_H
#define SHOAL_STM32_GPIO_F2_H

#include "stm32.h"

#define GPIO_PORT(pin)    (GPIO_BASE + 0x400u * ((uint32_t)(pin) / 16u))
#define GPIO_MODER(pin)   REG32(GPIO_PORT(pin))
#define GPIO_OSPEEDR(pin) REG32(GPIO_PORT(pin) + 0x08u)
#define GPIO_PUPDR(pin)   REG32(GPIO_PORT(pin) + 0x0Cu)
#define GPIO_BSRR(pin)    REG32(GPIO_PORT(pin) + 0x18u)
#define GPIO_AFR(pin)     REG32(GPIO_PORT(pin) + 0x20u + 4u * ((uint32_t)(pin) % 16u / 8u))

#define GPIO_MODE_OUTPUT    1u
#define GPIO_MODE_ALTERNATE 2u
#define GPIO_SPEED_MEDIUM   1u
#define GPIO_SPEED_HIGHEST  3u
#define GPIO_PULL_UP        1u

static inline void gpio_field2(volatile uint32_t *reg, stm32_pin pin, uint32_t value) {
    uint32_t shift = 2u * ((uint32_t)pin % 16u);
    stm32_set(reg, 3u << shift, value << shift);
}

static inline void gpio_clock_on(stm32_pin pin) {
    GPIO_ENABLE |= 1u << ((uint32_t)pin / 16u);
    (void)GPIO_ENABLE; /* the bus needs the enable to have arrived before the first access */
}

/* Gives a pin to a peripheral. Pulled up, so that an open wire reads as an idle line. */
static inline void gpio_alternate(stm32_pin pin, uint32_t alternate, uint32_t speed) {
    uint32_t shift = 4u * ((uint32_t)pin % 8u);
    gpio_clock_on(pin);
    stm32_set(&GPIO_AFR(pin), 0xFu << shift, alternate << shift);
    gpio_field2(&GPIO_PUPDR(pin), pin, GPIO_PULL_UP);
    gpio_field2(&GPIO_OSPEEDR(pin), pin, speed);
    gpio_field2(&GPIO_MODER(pin), pin, GPIO_MODE_ALTERNATE);
}

/* Gives a serial port one of its pins. */
static inline void gpio_serial(stm32_pin pin, uint32_t alternate, bool transmit) {
    (void)transmit;
    gpio_alternate(pin, alternate, GPIO_SPEED_MEDIUM);
}

static inline void gpio_output(stm32_pin pin) {
    gpio_clock_on(pin);
    gpio_field2(&GPIO_OSPEEDR(pin), pin, GPIO_SPEED_MEDIUM);
    gpio_field2(&GPIO_MODER(pin), pin, GPIO_MODE_OUTPUT);
}

static inline void gpio_write(stm32_pin pin, bool level) {
    GPIO_BSRR(pin) = 1u << ((uint32_t)pin % 16u + (level ? 0u : 16u));
}

#endif
