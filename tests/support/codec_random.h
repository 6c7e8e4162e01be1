/* tests/support/codec_random.h - messages filled by a seeded generator: what the unit tests, the
 * fuzzer's corpus and the comparison with Kafka's own codec feed on. */
#pragma once
#include "base/prng.h"
#include "protocol/messages.h"

/** Fills every field that the version carries (the others get their default): edges of numbers,
 * null where allowed, empty and two-octet lengths, text with escapes and long UTF-8. Arrays have at
 * most three elements. unknown: also put unknown tagged fields into some structs. Memory is arena;
 * it must not run out. */
void codec_random(const struct schema *schema, int16_t version, bool unknown, struct prng *prng,
                  struct arena *arena, void *message);
