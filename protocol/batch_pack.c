/* protocol/batch_pack.c - run by run out of one codec into another. */
#include "protocol/batch_pack.h"
#include "protocol/crc32c.h"

void batch_packer_init(struct batch_packer *packer, struct mem *mem) {
    compressor_init(&packer->compressor, mem);
    octets_init(&packer->packed, mem);
}

void batch_packer_release(struct batch_packer *packer) {
    compressor_release(&packer->compressor);
    octets_release(&packer->packed);
}

static enum status copy_records(struct batch_packer *packer, struct decompressor *reader) {
    struct bytes run;
    enum status st;
    while ((st = decompressor_next(reader, &run)) == ST_OK && run.len > 0) {
        st = compressor_add(&packer->compressor, run);
        if (st != ST_OK) return st;
    }
    return st == ST_OK ? compressor_finish(&packer->compressor) : st;
}

enum status batch_pack(struct batch_packer *packer, struct decompressor *reader,
                       struct bytes batch, enum codec codec, int32_t level) {
    struct octets *out = &packer->packed;
    struct batch_view view;
    enum status st = batch_open(batch, &view);
    if (st != ST_OK) return st;
    if (out->capacity > BATCH_PACKED_KEEP_BYTES) octets_release(out);
    out->len = 0;
    st = octets_add(out, batch.ptr, BATCH_HEADER_BYTES);
    if (st == ST_OK) st = compressor_open(&packer->compressor, codec, level, out);
    if (st != ST_OK) return st;
    st = decompressor_open(reader, batch_codec(&view), view.records, 0);
    if (st == ST_OK) st = copy_records(packer, reader);
    decompressor_close(reader);
    if (st == ST_OK && out->len > INT32_MAX) st = ST_TOO_LARGE;
    if (st != ST_OK) return st;
    uint16_t kept = view.attributes & (uint16_t)~(BATCH_ATTR_CODEC | BATCH_ATTR_DELETE_HORIZON);
    uint16_t attributes = (uint16_t)(kept | codec);
    put_u32(out->data + BATCH_AT_LENGTH, (uint32_t)(out->len - BATCH_OVERHEAD_BYTES));
    put_u16(out->data + BATCH_AT_ATTRIBUTES, attributes);
    put_u32(out->data + BATCH_AT_CRC,
            crc32c(0, out->data + BATCH_AT_ATTRIBUTES, out->len - BATCH_AT_ATTRIBUTES));
    return ST_OK;
}
