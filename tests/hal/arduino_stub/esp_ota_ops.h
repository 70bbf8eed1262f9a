#ifndef ESP_OTA_OPS_STUB_H
#define ESP_OTA_OPS_STUB_H

#include <stdint.h>

typedef struct {
    uint8_t app_elf_sha256[32];
} esp_app_desc_t;

const esp_app_desc_t *esp_ota_get_app_description(void);

#endif
