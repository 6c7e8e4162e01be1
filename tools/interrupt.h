/* tools/interrupt.h - SIGINT and SIGTERM ask a tool to finish; a second one, half a second later or
 * more, ends it at once (one key press may reach a process twice, through its group). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define INTERRUPT_STATUS 130 /* how a shell shows a program that SIGINT ended */
#define INTERRUPT_PATIENCE_MS 3000

void interrupt_catch(void);
bool interrupt_seen(void);
/** The deadline of what began at `began_ms`: an interrupt since then leaves it no more than
 * INTERRUPT_PATIENCE_MS. */
int64_t interrupt_cut(int64_t began_ms, int64_t deadline_ms);
