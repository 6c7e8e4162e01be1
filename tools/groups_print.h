/* tools/groups_print.h - the tables of kafka-consumer-groups and kafka-groups, column for column as
 * Kafka's tools print them. Source: ConsumerGroupCommand, GroupsCommand. */
#pragma once
#include <stdio.h>
#include "tools/groups.h"

/* One line of --describe --offsets: a partition, and who has it. */
struct offset_row {
    struct group_place place;
    int64_t committed, end;            /* -1: not known */
    int32_t leader_epoch;              /* of what was committed; -1: not known */
    const struct group_member *member; /* NULL: nobody */
};

/** A blank line, the columns' names, the rows. */
void print_offsets(FILE *out, const struct group *group, const struct offset_row *rows,
                   uint32_t count, bool verbose);
void print_members(FILE *out, const struct group *group, bool verbose);
void print_state(FILE *out, const struct group *group, bool verbose);

/* One line of what --reset-offsets does. */
struct reset_row {
    struct str group;
    struct group_place place;
    int64_t offset;
};
void print_resets(FILE *out, const struct reset_row *rows, uint32_t count);

/** "Consumer" for "consumer". */
struct str capitalized(struct str text, char *room, size_t room_bytes);
