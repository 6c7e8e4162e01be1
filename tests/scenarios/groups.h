/* tests/scenarios/groups.h - the group coordinator on stage. Verbs, all of one group unless group=
 * says otherwise, all requests numbered as they come (#1, #2 ...):
 *
 *   new [delay=] [size=] [min=] [max=] [metadata=] [retention=MS] [check=MS] [session=] [interval=]
 *       [upgrade=0] [downgrade=0]
 *   join [id=] [instance=] [client=] [v=] [session=] [rebalance=] [protocols=NAME:METADATA,...]
 *   sync id= generation= [assign=ID:TEXT,...] [type=] [protocol=]
 *   beat id= generation= [instance=]
 *   leave [id=] [instance=]
 *   abandon request=N
 *   commit offset= [topic=] [partition=] [id=] [generation=] [metadata=] [v=] [retention=]
 *   fetch [topic=] [partition=] [stable=1] | fetch all=1
 *   forget [topic=] [partition=]
 *   list [state=] [type=], describe [v=], describe-consumer, delete
 *   topic name= partitions=     a topic is made, or grows
 *   topic-deleted topic=
 *   member [id=] epoch= [instance=] [topics=A+B] [regex=] [owns=A:0+1,B:2] [assignor=] [rebalance=]
 *          [v=]                 ConsumerGroupHeartbeat; owns=- owns nothing, none: does not say
 *   pending producer= offset= [topic=] [partition=], end producer= commit=0|1  records of others
 *   written offset= version= [expires=] [topic=] [partition=]    as older brokers wrote offsets
 *   wait ms=                    time goes by, deadlines run
 *   clock ms=                   the wall clock alone jumps
 *   lose                        the coordinator is lost and loaded again; says when that is not
 *                               what it was
 *   compact [tombstones=gone]   of its log, then as lose
 *
 * Member ids are shown, and may be given, as M1, M2 ... in order of their making. */
#pragma once
#include "tests/scenarios/stage.h"

struct group_stage;
struct group_stage *group_stage_new(void);
void group_stage_free(struct group_stage *stage);
/** false: no such verb. */
bool group_stage_verb(struct group_stage *stage, const char *verb, const char *line,
                      struct answer *answer);
