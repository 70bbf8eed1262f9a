/* A serial flash at the QUADSPI, mapped to 0x90000000 and read over one line by READ, which each of them understands
 * after power-up (ST RM0385, Quad-SPI interface; registers as in OpenOCD's script of the STM32F746G-DISCO). Built and
 * played back in a simulated core, not run on silicon. */
#ifndef SHOAL_STM32F7_QUADSPI_H
#define SHOAL_STM32F7_QUADSPI_H

#define RCC_AHB3ENR             REG32(RCC_BASE + 0x38u)
#define RCC_AHB3ENR_QSPIEN      (1u << 1)
#define QUADSPI_BASE            0xA0001000u
#define QUADSPI_CR              REG32(QUADSPI_BASE + 0x00u)
#define QUADSPI_CR_EN           (1u << 0)
#define QUADSPI_CR_SSHIFT       (1u << 4) /* samples half a cycle later, for what the pins delay */
#define QUADSPI_CR_PRESCALER(n) (((n)-1u) << 24)
#define QUADSPI_DCR             REG32(QUADSPI_BASE + 0x04u)
#define QUADSPI_DCR_CSHT(n)     (((n)-1u) << 8) /* cycles between two commands */
#define QUADSPI_DCR_FSIZE(log)  (((log)-1u) << 16)
#define QUADSPI_CCR             REG32(QUADSPI_BASE + 0x14u)
#define QUADSPI_CCR_IMODE_1     (1u << 8)
#define QUADSPI_CCR_ADMODE_1    (1u << 10)
#define QUADSPI_CCR_ADSIZE_24   (2u << 12)
#define QUADSPI_CCR_DMODE_1     (1u << 24)
#define QUADSPI_CCR_MAPPED      (3u << 26)
#define FLASH_READ              0x03u
#define FLASH_READ_HZ           50000000u /* the most that READ is made for, by N25Q and its kin */

_Static_assert((SHOAL_STORE_BYTES & (SHOAL_STORE_BYTES - 1)) == 0 && SHOAL_STORE_BYTES <= 1 << 24,
               "a store at the QUADSPI has a power of two of bytes, and 24 bits of address");

static inline void quadspi_map(uint32_t core_hz) {
    static const struct {
        stm32_pin pin;
        uint8_t alternate;
    } pins[] = {
        {PIN(SHOAL_STORE0_PORT, SHOAL_STORE0_PIN), SHOAL_STORE0_ALTERNATE},
        {PIN(SHOAL_STORE1_PORT, SHOAL_STORE1_PIN), SHOAL_STORE1_ALTERNATE},
        {PIN(SHOAL_STORE2_PORT, SHOAL_STORE2_PIN), SHOAL_STORE2_ALTERNATE},
        {PIN(SHOAL_STORE3_PORT, SHOAL_STORE3_PIN), SHOAL_STORE3_ALTERNATE},
        {PIN(SHOAL_STORE4_PORT, SHOAL_STORE4_PIN), SHOAL_STORE4_ALTERNATE},
        {PIN(SHOAL_STORE5_PORT, SHOAL_STORE5_PIN), SHOAL_STORE5_ALTERNATE},
    };
    for (unsigned i = 0; i < sizeof pins / sizeof pins[0]; i++) {
        gpio_alternate(pins[i].pin, pins[i].alternate, GPIO_SPEED_HIGHEST);
    }
    RCC_AHB3ENR |= RCC_AHB3ENR_QSPIEN;
    (void)RCC_AHB3ENR; /* the bus needs the enable to have arrived before the first access */
    QUADSPI_DCR = QUADSPI_DCR_FSIZE((uint32_t)__builtin_ctz(SHOAL_STORE_BYTES)) | QUADSPI_DCR_CSHT(2u);
    QUADSPI_CR = QUADSPI_CR_PRESCALER((core_hz + FLASH_READ_HZ - 1u) / FLASH_READ_HZ) | QUADSPI_CR_SSHIFT;
    QUADSPI_CR |= QUADSPI_CR_EN;
    QUADSPI_CCR = QUADSPI_CCR_MAPPED | QUADSPI_CCR_DMODE_1 | QUADSPI_CCR_ADSIZE_24 | QUADSPI_CCR_ADMODE_1 |
                  QUADSPI_CCR_IMODE_1 | FLASH_READ;
}

#define FAMILY_STORE quadspi_map

#endif
