/* log/producer_snapshot.c - summaries of producers to and from octets. */
#include "log/producer_snapshot.h"
#include "protocol/crc32c.h"

enum {
    VERSION = 1,
    HEAD_BYTES = 10,
    AT_CRC = 2,
    AT_COUNT = 6, /* the checksum covers all from here on */
    ENTRY_BYTES = 46,
};

static void put_entry(uint8_t *at, const struct producer_summary *p) {
    put_u64(at, (uint64_t)p->producer_id);
    put_u16(at + 8, (uint16_t)p->epoch);
    put_u32(at + 10, (uint32_t)p->last_sequence);
    put_u64(at + 14, (uint64_t)p->last_offset);
    put_u32(at + 22, (uint32_t)p->offset_delta);
    put_u64(at + 26, (uint64_t)p->last_timestamp_ms);
    put_u32(at + 34, (uint32_t)p->coordinator_epoch);
    put_u64(at + 38, (uint64_t)p->txn_first_offset);
}

static struct producer_summary get_entry(const uint8_t *at) {
    return (struct producer_summary){
        .producer_id = (int64_t)get_u64(at),
        .epoch = (int16_t)get_u16(at + 8),
        .last_sequence = (int32_t)get_u32(at + 10),
        .last_offset = (int64_t)get_u64(at + 14),
        .offset_delta = (int32_t)get_u32(at + 22),
        .last_timestamp_ms = (int64_t)get_u64(at + 26),
        .coordinator_epoch = (int32_t)get_u32(at + 34),
        .txn_first_offset = (int64_t)get_u64(at + 38),
    };
}

static bool is_sane(const struct producer_summary *p) {
    if (p->producer_id < 0 || p->txn_first_offset < -1) return false;
    return p->last_offset < 0 || (p->offset_delta >= 0 && p->last_sequence >= 0);
}

enum status producer_snapshot_encode(const struct producer_list *list, struct mem *mem,
                                     uint8_t **ret_data, size_t *ret_bytes) {
    size_t bytes = HEAD_BYTES + list->count * ENTRY_BYTES;
    uint8_t *data = mem_alloc(mem, bytes);
    if (data == NULL) return ST_NOMEM;
    put_u16(data, VERSION);
    put_u32(data + AT_COUNT, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++)
        put_entry(data + HEAD_BYTES + i * ENTRY_BYTES, &list->producers[i]);
    put_u32(data + AT_CRC, crc32c(0, data + AT_COUNT, bytes - AT_COUNT));
    *ret_data = data;
    *ret_bytes = bytes;
    return ST_OK;
}

enum status producer_snapshot_decode(struct bytes data, struct mem *mem,
                                     struct producer_list *ret_list) {
    if (data.len < HEAD_BYTES || get_u16(data.ptr) != VERSION) return ST_CORRUPT;
    uint32_t count = get_u32(data.ptr + AT_COUNT);
    size_t body = data.len - HEAD_BYTES;
    if (body / ENTRY_BYTES != count || body % ENTRY_BYTES != 0) return ST_CORRUPT;
    if (get_u32(data.ptr + AT_CRC) != crc32c(0, data.ptr + AT_COUNT, data.len - AT_COUNT))
        return ST_CORRUPT;
    struct producer_list list = {.count = count, .capacity = count + (size_t)1};
    list.producers = mem_alloc(mem, list.capacity * sizeof *list.producers);
    if (list.producers == NULL) return ST_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        list.producers[i] = get_entry(data.ptr + HEAD_BYTES + (size_t)i * ENTRY_BYTES);
        if (is_sane(&list.producers[i])) continue;
        producer_list_release(&list, mem);
        return ST_CORRUPT;
    }
    *ret_list = list;
    return ST_OK;
}
