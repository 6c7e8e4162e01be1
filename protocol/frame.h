/* protocol/frame.h - what stands in front of a message in a frame: the request or response header.
 * A frame is an int32 length (not counting itself), a header and a message; connections cut the
 * stream into frames. Which version of the header it is follows from the API key and the version of
 * the message. Source: KIP-482, KIP-511, org.apache.kafka.common.requests.RequestHeader. */
#pragma once
#include "protocol/messages.h"

#define FRAME_LENGTH_BYTES 4

/** Of the request's header, for any version, also one that the schema does not have.
 *  -1: no such key. */
int16_t frame_request_header_version(int16_t api_key, int16_t api_version);
/** Of the response's header. ApiVersions answers with version 0 always: its client does not know
 *  yet what we speak. */
int16_t frame_response_header_version(int16_t api_key, int16_t api_version);

/** Reads the header in front of a request. client_id is borrowed and may be null; unknown tags are
 *  arena. *ret_used: octets of the header; the message follows.
 *  ST_UNSUPPORTED: no API with that key; header->request_api_key and header->request_api_version
 *  say which. Whether the version is served is for the caller to judge. Else as codec_decode. */
MUST_CHECK enum status frame_decode_request_header(struct bytes frame, struct arena *arena,
                                                   struct request_header *header, size_t *ret_used);

/** Octets in front of a response's message: the length field and the header. */
size_t frame_response_prefix_bytes(int16_t api_key, int16_t api_version);
/** Writes them; message_bytes: of the message on the wire, external records included.
 *  ST_TOO_LARGE: the length field cannot say it. */
MUST_CHECK enum status frame_encode_response_prefix(int16_t api_key, int16_t api_version,
                                                    int32_t correlation_id, uint64_t message_bytes,
                                                    uint8_t *out);
