/* broker/handlers/produce_once.h - a Produce that names a topic or a partition twice: as in Kafka,
 * of a partition's batches the last one counts, what came before is dropped, and it is answered
 * once, where it stood first. Source: kafka.server.KafkaApis.handleProduceRequest, which gathers in
 * a map what is to be appended. */
#pragma once
#include "broker/net/request.h"

/** Changes rq->in, a struct produce_request; false without memory. Requests that name nothing twice
 * stay as they are, and small ones of them cost no allocation. */
MUST_CHECK bool produce_keep_last(struct request *rq);
