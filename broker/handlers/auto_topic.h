/* broker/handlers/auto_topic.h - a topic that is created because a client looked for it: what it is
 * made of. Kafka's own topics have counts and settings of their own, which decide for good where a
 * group's offsets are and that retention never deletes them, so they must not come into being like
 * any other. Source: kafka.server.AutoTopicCreationManager.creatableTopic. */
#pragma once
#include "broker/net/request.h"

/** False for the topics of what is not served yet (transactions, share groups): whoever serves them
 *  one day, Kafka included, makes them. */
bool auto_topic_may_be(struct str name);
/** Fills what CreateTopics would ask; borrows the name, the rest is the request's arena. false: no
 *  memory. */
MUST_CHECK bool auto_topic_fill(struct request *rq, struct str name,
                                struct create_topics_request_creatable_topic *ret_topic);
