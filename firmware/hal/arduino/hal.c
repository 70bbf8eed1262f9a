/* hal.h on an ESP32 or ESP32-S3 under Arduino and FreeRTOS. The firmware is Arduino's loop task. Faults stay with the
 * framework, which reports them in its own words. */
#include "../cycles.h"
#include "../../runtime/model.h"
#include "serial.h"

#include <esp32-hal.h>
#include <esp_system.h>
#include <freertos/FreeRTOS.h>
#include <freertos/task.h>
#if __has_include(<esp_app_desc.h>)
#include <esp_app_desc.h>
#define APP_DESCRIPTION esp_app_get_description
#else
#include <esp_ota_ops.h>
#define APP_DESCRIPTION esp_ota_get_app_description
#endif

#define TICK_US (1000000u / configTICK_RATE_HZ)

/* FreeRTOS looks for its own pattern at the end of the stack to notice an overflow. */
#define STACK_PATTERN_BYTES 64u

extern uint8_t _data_start[], _data_end[], _bss_start[], _bss_end[];

int main(void);

static hal_cycle_count cycles;

void harness_main(void) {
    main();
}

void hal_init(void) {
    serial_start(SHOAL_RING_BYTES);
#if defined(SHOAL_TRIGGER_PIN)
    pinMode(SHOAL_TRIGGER_PIN, OUTPUT);
    digitalWrite(SHOAL_TRIGGER_PIN, LOW);
#endif
#if defined(SHOAL_WATCHDOG_MS)
    enableLoopWDT(); /* its time is the framework's */
#endif
}

uint32_t hal_clock_hz(void) {
    return getCpuFrequencyMhz() * 1000000u;
}

int hal_uart_get(unsigned port) {
    return serial_get(port);
}

bool hal_uart_put(unsigned port, uint8_t byte) {
    return serial_put(port, byte);
}

void hal_uart_flush(unsigned port) {
    serial_flush(port);
}

SHOAL_LINK uint32_t hal_idle(uint32_t microseconds) {
    uint32_t slice = microseconds < TICK_US ? microseconds : TICK_US;
    if (!serial_waiting()) {
        if (slice == TICK_US) {
            vTaskDelay(1);
        } else {
            delayMicroseconds(slice);
        }
    }
    return microseconds == HAL_FOREVER ? HAL_FOREVER : microseconds - slice;
}

bool hal_has_cycles(void) {
    return true;
}

SHOAL_LINK uint64_t hal_cycles(void) {
    uint32_t now;
    __asm volatile("rsr %0, ccount" : "=r"(now));
    return cycles_extend(&cycles, now);
}

SHOAL_LINK void hal_tick(void) {
    (void)hal_cycles();
#if defined(SHOAL_WATCHDOG_MS)
    feedLoopWDT();
#endif
}

void hal_trigger(bool up) {
#if defined(SHOAL_TRIGGER_PIN)
    digitalWrite(SHOAL_TRIGGER_PIN, up ? HIGH : LOW);
#else
    (void)up;
#endif
}

_Noreturn void hal_reset(void) {
    esp_restart();
}

/* esptool writes the hash of the ELF file into the image. */
const uint8_t *hal_build_id(uint32_t *size) {
    *size = sizeof APP_DESCRIPTION()->app_elf_sha256;
    return APP_DESCRIPTION()->app_elf_sha256;
}

hal_memory_map hal_memory(void) {
    uintptr_t bottom = (uintptr_t)pxTaskGetStackStart(NULL);
    return (hal_memory_map){
        .stack_bottom = bottom + STACK_PATTERN_BYTES,
        .stack_top = bottom + SHOAL_STACK_BYTES,
        .static_bytes = (uint32_t)(_data_end - _data_start) + (uint32_t)(_bss_end - _bss_start) - image.arena_bytes,
    };
}

void hal_provoke(uint32_t kind) {
    (void)kind;
}
