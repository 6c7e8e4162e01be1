/* broker/group/admin.h - what administrators ask of groups. Internal to broker/group. */
#pragma once
#include "broker/group/group.h"

void admin_list(struct coordinator *c, struct group_ticket *ticket);
void admin_describe(struct coordinator *c, struct group_ticket *ticket);
void admin_delete(struct coordinator *c, struct group_ticket *ticket);
