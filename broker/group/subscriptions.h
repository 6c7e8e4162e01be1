/* broker/group/subscriptions.h - which topics a group of consumers is subscribed to, as far as its
 * members' metadata says (ConsumerProtocolSubscription; version 0 is a prefix of all). Internal to
 * broker/group. */
#pragma once
#include "base/map.h"
#include "base/status.h"

struct subscriptions {
    struct map names; /* struct subscribed of subscriptions.c */
    bool is_known;    /* false: no member says, or one cannot be read */
};

void subscriptions_init(struct subscriptions *s, struct mem *mem);
void subscriptions_release(struct subscriptions *s);
/** Known and none. */
void subscriptions_clear(struct subscriptions *s);
/** Adds one member's topics. ST_CORRUPT, ST_NOMEM: they are not known any more. */
enum status subscriptions_add(struct subscriptions *s, struct bytes metadata);
bool subscriptions_has(const struct subscriptions *s, struct str topic);
