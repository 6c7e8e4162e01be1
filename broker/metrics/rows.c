/* broker/metrics/rows.c - prints the table, one row a line, for broker/metrics/document.py. */
#include "broker/metrics/metrics.h"
#include <stdio.h>

int main(void) {
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &metric_table[id];
        printf("%s\t%s\t%s\t%s\t%s\t%s\n", row->name, metric_type_name(row->type), row->unit,
               metric_labels(row->source), row->help, row->kafka != NULL ? row->kafka : "");
    }
    return 0;
}
