/* Constants that are not in flash: a page of them is brought into the arena before the step that reads them. */
#ifndef SHOAL_PAGE_H
#define SHOAL_PAGE_H

#include "kernel.h"

/* `bytes` from byte `offset` of the store on, whose CRC-32 is `crc`, go to byte `place` of the arena, which nothing
 * else needs from the page before on where it may come `early`. */
typedef struct {
    uint32_t offset;
    uint32_t bytes;
    uint32_t crc;
    uint32_t place;
    uint32_t early;
} store_page;

/* CRC-32 as in Ethernet and zlib (polynomial 0x04C11DB7, reflected), half a byte at a time. */
static SHOAL_APART uint32_t page_crc(const uint8_t *bytes, uint32_t count) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t i = 0; i < count; ++i) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}

#endif
