/* tests/unit/log/scan.c - what a window over a file shows, through the page cache and past it. */
#include "log/scan.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/lib/plain_io.h"

enum { FILE_BYTES = 2 * SCAN_DIRECT_BYTES + 3 * IO_DIRECT_BYTES + 700 };

static uint8_t octet_at(uint64_t position) {
    return (uint8_t)(position * 31 + position / IO_DIRECT_BYTES + 1);
}

static struct {
    char path[32];
    int buffered, direct; /* -1: this file system has none */
} files;

static void make_file(void) {
    (void)strcpy(files.path, "/tmp/klamm-scan-XXXXXX");
    files.buffered = mkstemp(files.path);
    cr_assert_geq(files.buffered, 0);
    uint8_t *octets = malloc(FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i++) octets[i] = octet_at(i);
    cr_assert_eq(pwrite(files.buffered, octets, FILE_BYTES, 0), FILE_BYTES);
    free(octets);
    files.direct = open(files.path, O_RDONLY | O_DIRECT);
}

static const struct {
    const char *name;
    uint64_t size_bytes, position; /* size_bytes: what is said of the file, at most what it has */
    size_t need;
    enum status want;
} rows[] = {
    {"the first octet", FILE_BYTES, 0, 1, ST_OK},
    {"within a block", FILE_BYTES, 61, 61, ST_OK},
    {"over the border of two blocks", FILE_BYTES, IO_DIRECT_BYTES - 1, 2, ST_OK},
    {"over the border of two windows", FILE_BYTES, SCAN_DIRECT_BYTES - 30, 61, ST_OK},
    {"as much as may be asked", FILE_BYTES, SCAN_DIRECT_BYTES - 1, SCAN_WINDOW_BYTES, ST_OK},
    {"the last octet, within a block", FILE_BYTES, FILE_BYTES - 1, 1, ST_OK},
    {"one behind the last", FILE_BYTES, FILE_BYTES - 1, 2, ST_SHORT},
    {"nothing at the end", FILE_BYTES, FILE_BYTES, 0, ST_OK},
    {"behind the end", FILE_BYTES, FILE_BYTES + 1, 0, ST_SHORT},
    {"the last octet of less, within a block", 5000, 4999, 1, ST_OK},
    {"one behind the last of less, which is there", 5000, 4999, 2, ST_SHORT},
    {"less that ends with a block", IO_DIRECT_BYTES, 4000, 96, ST_OK},
    {"less than a block", 100, 0, 100, ST_OK},
};

static void look(struct scan *scan, size_t row, const char *how) {
    const uint8_t *octets = NULL;
    enum status st = scan_octets(scan, rows[row].position, rows[row].need, 1, &octets);
    cr_expect_eq(st, rows[row].want, "%s, %s: %s", rows[row].name, how, status_name(st));
    if (st != ST_OK || rows[row].need == 0) return;
    cr_expect_leq(scan->window_at + scan->window_len, rows[row].size_bytes,
                  "%s, %s: the window reaches behind the end", rows[row].name, how);
    uint64_t there = scan->window_at + scan->window_len - rows[row].position;
    cr_expect_geq(there, rows[row].need, "%s, %s", rows[row].name, how);
    for (uint64_t i = 0; i < there; i++) { /* those beyond what was needed are used, too */
        if (octets[i] == octet_at(rows[row].position + i)) continue;
        cr_expect_fail("%s, %s: octet %llu", rows[row].name, how, (unsigned long long)i);
        return;
    }
}

/* One window after another, in either order: what the last one held is never shown. */
static void scan_job(struct job *job, void *argument) {
    (void)argument;
    struct scan scan;
    cr_assert_eq(scan_init(&scan, job), ST_OK);
    for (int is_direct = 0; is_direct < (files.direct >= 0 ? 2 : 1); is_direct++) {
        for (size_t n = 0; n < 2 * COUNT(rows); n++) {
            size_t row = n < COUNT(rows) ? n : 2 * COUNT(rows) - 1 - n;
            scan_file(&scan, files.buffered, rows[row].size_bytes);
            enum status st =
                is_direct ? scan_direct(&scan, files.direct, rows[row].size_bytes) : ST_OK;
            cr_assert_eq(st, ST_OK);
            look(&scan, row, is_direct ? "direct" : "through the page cache");
        }
    }
    scan_release(&scan);
}

Test(scan, shows_what_the_file_holds_up_to_its_end_and_nothing_behind) {
    struct plain_io plain;
    plain_io_init(&plain);
    make_file();
    plain_io_run(&plain, scan_job, NULL);
    if (files.direct >= 0) (void)close(files.direct);
    (void)close(files.buffered);
    (void)unlink(files.path);
    plain_io_release(&plain);
}
