/* broker/group/consumer_protocol.h - what classic consumers put into the octets that their group
 * carries: subscriptions and assignments (ConsumerProtocol). A version, then the fields of that
 * version; one above ours has ours in front. Internal to broker/group. */
#pragma once
#include "broker/group/partition_set.h"
#include "controller/metadata/image.h"
#include "protocol/messages.h"

/** Borrows from `metadata`. ST_CORRUPT, ST_NOMEM. */
MUST_CHECK enum status consumer_subscription_read(struct bytes metadata, struct arena *arena,
                                                  struct consumer_protocol_subscription *out);
/** What the subscription says is owned, but for topics that are not there. false: no memory. */
bool consumer_subscription_owned(const struct consumer_protocol_subscription *subscription,
                                 const struct image *image, struct arena *arena,
                                 struct partition_set *ret_owned);
/** ST_CORRUPT, ST_NOMEM; nothing at all is an empty assignment. */
MUST_CHECK enum status consumer_assignment_read(struct bytes octets, const struct image *image,
                                                struct arena *arena, struct partition_set *ret_set);
/** version: of the member's subscription. */
MUST_CHECK enum status consumer_assignment_write(const struct partition_set *set,
                                                 const struct image *image, int16_t version,
                                                 struct arena *arena, struct bytes *ret_octets);
