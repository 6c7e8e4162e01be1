/* log/producer_snapshot.h - producer state as the octets of a `.snapshot` file, version 1: version
 * i16, CRC-32C u32 of what follows it, count i32, then 46 octets an entry: producer id i64, epoch
 * i16, last sequence i32, last offset i64, offset delta i32, timestamp i64, coordinator epoch i32,
 * first offset of the open transaction i64 (-1: none). Source: ProducerStateManager.writeSnapshot,
 * ProducerSnapshot.json. */
#pragma once
#include "log/producer_state.h"

/** Allocated from mem, *ret_bytes octets. ST_NOMEM. */
MUST_CHECK enum status producer_snapshot_encode(const struct producer_list *list, struct mem *mem,
                                                uint8_t **ret_data, size_t *ret_bytes);
/** The caller releases the list. ST_CORRUPT: checksum, version, size or a value is wrong. */
MUST_CHECK enum status producer_snapshot_decode(struct bytes data, struct mem *mem,
                                                struct producer_list *ret_list);
