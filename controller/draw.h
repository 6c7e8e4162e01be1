/* controller/draw.h - new ids, as org.apache.kafka.common.Uuid.randomUuid draws them: version 4,
 * and never one whose text begins with '-', since tools would take it for an option. */
#pragma once
#include "base/bytes.h"

typedef void random_fn(void *context, void *out, size_t len);
struct uuid draw_uuid(random_fn *random, void *context);
