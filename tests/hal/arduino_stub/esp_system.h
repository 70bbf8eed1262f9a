#ifndef ESP_SYSTEM_STUB_H
#define ESP_SYSTEM_STUB_H

void esp_restart(void) __attribute__((noreturn));

#endif
