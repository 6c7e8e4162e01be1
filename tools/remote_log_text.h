/* tools/remote_log_text.h - records of __remote_log_metadata (tiered storage) as kafka-dump-log has
 * them: what Java prints of the objects that they are. Source:
 * org.apache.kafka.server.log.remote.metadata.storage.serialization.RemoteLogMetadataSerde and
 * toString of what it makes. */
#pragma once
#include "base/strbuf.h"
#include "protocol/messages.h"

/** Adds the text of a record's value, or Kafka's reason why it is none. false: the reason. */
bool remote_log_text(struct bytes value, struct arena *arena, struct strbuf *out);
