/* protocol/frame.c - request and response headers. */
#include "protocol/frame.h"
#include "protocol/cursor.h"

int16_t frame_request_header_version(int16_t api_key, int16_t api_version) {
    const struct api *api = api_find(api_key);
    if (api == NULL) return -1;
    return schema_flexible(api->request, api_version) ? 2 : 1;
}

int16_t frame_response_header_version(int16_t api_key, int16_t api_version) {
    const struct api *api = api_find(api_key);
    if (api == NULL) return -1;
    if (api_key == API_API_VERSIONS) return 0;
    return schema_flexible(api->response, api_version) ? 1 : 0;
}

enum status frame_decode_request_header(struct bytes frame, struct arena *arena,
                                        struct request_header *header, size_t *ret_used) {
    struct cursor cursor = cursor_of(frame);
    const uint8_t *p = cursor_take(&cursor, 4);
    if (p == NULL) return ST_SHORT;
    request_header_defaults(header);
    header->request_api_key = (int16_t)get_u16(p);
    header->request_api_version = (int16_t)get_u16(p + 2);
    int16_t version =
        frame_request_header_version(header->request_api_key, header->request_api_version);
    if (version < 0) return ST_UNSUPPORTED;
    return codec_decode(&request_header_schema, version, frame, arena, header, ret_used);
}

size_t frame_response_prefix_bytes(int16_t api_key, int16_t api_version) {
    size_t tags_bytes = frame_response_header_version(api_key, api_version) > 0;
    return FRAME_LENGTH_BYTES + sizeof(int32_t) + tags_bytes;
}

enum status frame_encode_response_prefix(int16_t api_key, int16_t api_version,
                                         int32_t correlation_id, uint64_t message_bytes,
                                         uint8_t *out) {
    size_t header_bytes = frame_response_prefix_bytes(api_key, api_version) - FRAME_LENGTH_BYTES;
    if (message_bytes > INT32_MAX - header_bytes) return ST_TOO_LARGE;
    put_u32(out, (uint32_t)(header_bytes + message_bytes));
    put_u32(out + FRAME_LENGTH_BYTES, (uint32_t)correlation_id);
    if (header_bytes > sizeof(int32_t))
        out[FRAME_LENGTH_BYTES + sizeof(int32_t)] = 0; /* no tagged fields */
    return ST_OK;
}
