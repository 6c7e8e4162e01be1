/* broker/shard/live.h - settings of the broker that are no topic's and may change while it runs. */
#pragma once
#include "broker/shard/shard.h"

/** Takes over what the shard's image and the file say by now. */
void shard_take_settings(struct shard *shard);
