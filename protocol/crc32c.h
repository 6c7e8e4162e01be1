/* protocol/crc32c.h - CRC-32C (Castagnoli, reflected, RFC 3720 appendix B.4) as record batches and
 * producer snapshots carry it. Computed by ISA-L with the machine's best instructions. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/** The checksum of what `crc` covers followed by data[0..len); start with crc 0. "123456789" gives
 * e3069283. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/** Likewise CRC-32 (IEEE 802.3), which messages before version 2 carry: cbf43926. */
uint32_t crc32_legacy(uint32_t crc, const void *data, size_t len);
