/* tests/sim/setup.h - what a simulated broker is started with, of settings as text. */
#pragma once
#include "broker/shard/shard.h"
#include "tests/sim/node.h"

/** Configuration, listeners and shards of a broker on that node, in `arena`; callbacks and what
 * else tests set is zero. NULL: the text is refused, and the world has failed. */
struct broker_setup *setup_read(struct node *node, struct arena *arena, struct str text,
                                struct io **ios, unsigned io_count);
