/* tools/interrupt.h - SIGINT and SIGTERM ask a tool to finish; a second one, half a second later or
 * more, ends it at once (one key press may reach a process twice, through its group). */
#pragma once
#include <stdbool.h>

#define INTERRUPT_STATUS 130 /* how a shell shows a program that SIGINT ended */

void interrupt_catch(void);
bool interrupt_seen(void);
