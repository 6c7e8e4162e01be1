/* tests/unit/sim/disk.c - what a crash may leave on the simulated disk, and what it may not. Each
 * statement holds for every seed; each "may" is seen in some. */
#include "tests/sim/disk.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include "base/bytes.h"

enum { SEEDS = 200, BIG = 3 * DISK_PAGE_BYTES };

static struct world *world;
static struct disk *disk;
static uint8_t ones[BIG], twos[BIG], got[2 * BIG];

static void setup(uint64_t seed) {
    struct sim_faults faults = faults_none();
    world = world_new(seed, &faults);
    disk = disk_new(world);
    memset(ones, 1, sizeof ones);
    memset(twos, 2, sizeof twos);
}

static void teardown(void) {
    disk_free(disk);
    world_free(world);
}

static struct disk_file *open_file(const char *path, unsigned flags) {
    struct disk_file *file = NULL;
    int64_t result = disk_open(disk, path, IO_READ | flags, 0600, 1, &file);
    cr_assert_eq(result, 0, "open %s: %lld", path, (long long)result);
    return file;
}

static struct disk_file *create(const char *path) { return open_file(path, IO_WRITE | IO_CREATE); }

static void sync_file(struct disk_file *file) {
    disk_sync_end(disk, disk_sync_begin(disk, file), true);
}

static void sync_root(void) {
    int64_t error = 0;
    struct disk_sync *sync = disk_sync_begin_path(disk, "/", &error);
    cr_assert_not_null(sync);
    disk_sync_end(disk, sync, true);
}

static bool exists(const char *path) {
    struct io_stat stat;
    return disk_stat(disk, path, &stat) == 0;
}

/* The whole file into got; its size. */
static int64_t contents(const char *path) {
    struct disk_file *file = open_file(path, 0);
    int64_t n = disk_read(disk, file, got, sizeof got, 0);
    disk_close(disk, file);
    return n;
}

static bool all(const uint8_t *at, size_t len, uint8_t value) {
    for (size_t i = 0; i < len; i++) {
        if (at[i] != value) return false;
    }
    return true;
}

Test(disk, what_was_synced_survives_whatever_was_written_later) {
    uint64_t lost = 0, kept = 0, torn = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = create("/f");
        sync_root();
        disk_write(disk, file, ones, 1000, 0);
        sync_file(file);
        disk_write(disk, file, twos, 2000, 1000); /* the same page */
        disk_close(disk, file);
        disk_power_cut(disk);
        int64_t size = contents("/f");
        cr_assert_geq(size, 1000, "seed %llu", (unsigned long long)seed);
        cr_assert_leq(size, 3000);
        cr_assert(all(got, 1000, 1), "seed %llu: synced octets changed", (unsigned long long)seed);
        bool is_kept = size == 3000 && all(got + 1000, 2000, 2);
        bool is_lost = all(got + 1000, (size_t)size - 1000, 0);
        kept += is_kept;
        lost += is_lost;
        torn += !is_kept && !is_lost;
        teardown();
    }
    cr_expect_gt(lost, 0);
    cr_expect_gt(kept, 0);
    cr_expect_gt(torn, 0);
}

Test(disk, a_sync_covers_what_was_written_before_it_began_and_nothing_else) {
    uint64_t lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = create("/f");
        sync_root();
        disk_write(disk, file, ones, 4000, 0);
        struct disk_sync *sync = disk_sync_begin(disk, file);
        disk_write(disk, file, twos, 4000, 4000);
        disk_sync_end(disk, sync, true);
        disk_close(disk, file);
        disk_power_cut(disk);
        int64_t size = contents("/f");
        cr_assert_geq(size, 4000, "seed %llu", (unsigned long long)seed);
        cr_assert(all(got, 4000, 1), "seed %llu", (unsigned long long)seed);
        lost += size < 8000 || !all(got + 4000, 4000, 2);
        teardown();
    }
    cr_expect_gt(lost, 0);
}

Test(disk, a_durable_write_is_durable_and_leaves_what_was_before_it_to_chance) {
    uint64_t zeros = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = create("/f");
        sync_root();
        disk_write(disk, file, ones, DISK_PAGE_BYTES, 0);
        disk_write(disk, file, twos, 100, DISK_PAGE_BYTES);
        disk_make_stable(disk, file, DISK_PAGE_BYTES, 100);
        disk_close(disk, file);
        disk_power_cut(disk);
        cr_assert_eq(contents("/f"), DISK_PAGE_BYTES + 100);
        cr_assert(all(got + DISK_PAGE_BYTES, 100, 2));
        zeros += all(got, DISK_PAGE_BYTES, 0);
        teardown();
    }
    cr_expect_gt(zeros, 0);
}

Test(disk, names_survive_as_a_prefix_of_what_was_done_and_all_after_a_sync) {
    uint64_t seen[4] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = create("/a.tmp");
        disk_write(disk, file, ones, 10, 0);
        sync_file(file);
        disk_close(disk, file);
        if (seed % 2 == 0) sync_root();
        cr_assert_eq(disk_rename(disk, "/a.tmp", "/a"), 0);
        disk_close(disk, create("/b"));
        disk_power_cut(disk);
        bool tmp = exists("/a.tmp"), a = exists("/a"), b = exists("/b");
        cr_assert(!(tmp && a), "a rename is whole");
        cr_assert(!b || a, "seed %llu: a later name without an earlier one",
                  (unsigned long long)seed);
        if (seed % 2 == 0) cr_assert(tmp || a, "it was synced under one name");
        if (a) {
            cr_assert_eq(contents("/a"), 10);
            cr_assert(all(got, 10, 1));
        }
        seen[0] += !tmp && !a;
        seen[1] += tmp;
        seen[2] += a && !b;
        seen[3] += b;
        teardown();
    }
    for (size_t i = 0; i < COUNT(seen); i++) cr_expect_gt(seen[i], 0, "outcome %zu", i);
}

Test(disk, an_unlinked_file_comes_back_until_its_directory_was_synced) {
    uint64_t back = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = create("/f");
        disk_write(disk, file, ones, 10, 0);
        sync_file(file);
        disk_close(disk, file);
        sync_root();
        cr_assert_eq(disk_unlink(disk, "/f"), 0);
        cr_assert_not(exists("/f"));
        if (seed % 2 == 0) sync_root();
        disk_power_cut(disk);
        if (seed % 2 == 0) cr_assert_not(exists("/f"));
        if (exists("/f")) cr_assert_eq(contents("/f"), 10);
        back += exists("/f");
        teardown();
    }
    cr_expect_gt(back, 0);
}

Test(disk, a_truncation_happened_or_not_and_the_old_octets_never_return_after_a_sync) {
    uint64_t not_done = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = create("/f");
        sync_root();
        disk_write(disk, file, ones, BIG, 0);
        sync_file(file);
        disk_truncate(disk, file, 5000);
        if (seed % 2 == 0) sync_file(file);
        disk_truncate(disk, file, BIG); /* zeros beyond */
        disk_close(disk, file);
        disk_power_cut(disk);
        int64_t size = contents("/f");
        cr_assert_geq(size, 5000);
        cr_assert(all(got, 5000, 1));
        bool undone = size > 5000 && !all(got + 5000, (size_t)size - 5000, 0);
        if (seed % 2 == 0) cr_assert_not(undone, "seed %llu", (unsigned long long)seed);
        if (undone) cr_assert(size == BIG && all(got, BIG, 1), "whole or not at all");
        not_done += undone;
        teardown();
    }
    cr_expect_gt(not_done, 0);
}

Test(disk, after_a_failed_sync_the_next_one_succeeds_without_the_octets) {
    uint64_t lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = create("/f");
        sync_root();
        disk_write(disk, file, ones, BIG, 0);
        disk_sync_end(disk, disk_sync_begin(disk, file), false);
        sync_file(file); /* "succeeds" */
        disk_close(disk, file);
        disk_power_cut(disk);
        int64_t size = contents("/f");
        lost += size < BIG || !all(got, BIG, 1);
        teardown();
    }
    cr_expect_gt(lost, SEEDS / 4);
}

Test(disk, a_failed_sync_is_told_once_to_everybody_who_has_the_file_open) {
    setup(1);
    struct disk_file *file = create("/f"), *other = NULL, *later = NULL;
    cr_assert_eq(disk_open(disk, "/f", IO_WRITE, 0, 1, &other), 0);
    disk_write(disk, file, ones, BIG, 0);
    cr_expect_not(disk_lost(file));
    disk_sync_end(disk, disk_sync_begin_all(disk, file), false);
    cr_assert_eq(disk_open(disk, "/f", IO_WRITE, 0, 1, &later), 0);
    cr_expect(disk_lost(file));
    cr_expect_not(disk_lost(file));
    cr_expect(disk_lost(other));
    cr_expect_not(disk_lost(later));
    disk_close(disk, file);
    disk_close(disk, other);
    disk_close(disk, later);
    teardown();
}

Test(disk, what_a_failed_sync_lost_is_read_until_it_is_forgotten) {
    uint64_t lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = NULL;
        disk_close(disk, create("/f"));
        sync_root();
        cr_assert_eq(disk_open(disk, "/f", IO_READ | IO_WRITE, 0, 1, &file), 0);
        disk_write(disk, file, ones, BIG, 0);
        disk_sync_end(disk, disk_sync_begin(disk, file), false);
        disk_forget(disk, file);
        sync_file(file); /* what is still dirty */
        cr_assert_eq(disk_read(disk, file, got, BIG, 0), BIG);
        bool is_lost = !all(got, BIG, 1);
        lost += is_lost;
        disk_close(disk, file);
        disk_power_cut(disk);
        int64_t size = contents("/f");
        cr_expect_eq(size == BIG && all(got, BIG, 1), !is_lost, "what was read is there");
        teardown();
    }
    cr_expect_gt(lost, 0);
}

Test(disk, what_a_failed_sync_lost_is_not_read_from_the_device) {
    uint64_t lost = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        setup(seed);
        struct disk_file *file = create("/f"), *direct = open_file("/f", IO_DIRECT);
        disk_write(disk, file, ones, BIG, 0);
        cr_assert_eq(disk_read(disk, direct, got, BIG, 0), BIG);
        cr_expect(all(got, BIG, 1), "what is dirty is written before");
        disk_sync_end(disk, disk_sync_begin(disk, file), false);
        cr_assert_eq(disk_read(disk, direct, got, BIG, 0), BIG);
        bool is_lost = !all(got, BIG, 1);
        cr_expect_eq(disk_read(disk, file, got + BIG, BIG, 0), BIG);
        lost += is_lost && all(got + BIG, BIG, 1);
        disk_forget(disk, file);
        cr_expect_eq(disk_read(disk, file, got + BIG, BIG, 0), BIG);
        cr_expect_eq(memcmp(got, got + BIG, BIG), 0, "as after forgetting");
        disk_close(disk, direct);
        disk_close(disk, file);
        teardown();
    }
    cr_expect_gt(lost, 0, "while the page cache has it all");
}

Test(disk, refuses_as_a_file_system_does) {
    setup(1);
    disk_mkdir(disk, "/d", 0700);
    disk_close(disk, create("/d/f"));
    struct disk_file *file = NULL;
    const struct {
        const char *name;
        int64_t got, want;
    } rows[] = {
        {"missing file", disk_open(disk, "/x", IO_READ, 0, 1, &file), -ENOENT},
        {"missing directory", disk_open(disk, "/x/y", IO_READ | IO_CREATE, 0, 1, &file), -ENOENT},
        {"file as a directory", disk_open(disk, "/d/f/g", IO_READ, 0, 1, &file), -ENOTDIR},
        {"directory to write", disk_open(disk, "/d", IO_WRITE, 0, 1, &file), -EISDIR},
        {"exclusive", disk_open(disk, "/d/f", IO_WRITE | IO_CREATE | IO_EXCLUSIVE, 0, 1, &file),
         -EEXIST},
        {"mkdir twice", disk_mkdir(disk, "/d", 0700), -EEXIST},
        {"rmdir of a full one", disk_rmdir(disk, "/d"), -ENOTEMPTY},
        {"rmdir of a file", disk_rmdir(disk, "/d/f"), -ENOTDIR},
        {"unlink of a directory", disk_unlink(disk, "/d"), -EISDIR},
        {"rename of nothing", disk_rename(disk, "/x", "/y"), -ENOENT},
        {"rename of a directory over a file", disk_rename(disk, "/d", "/d"), 0},
        {"listing of a file", disk_list(disk, "/d/f", &world->mem, NULL), -ENOTDIR},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        cr_expect_eq(rows[i].got, rows[i].want, "%s", rows[i].name);
    teardown();
}

Test(disk, a_full_device_refuses_and_takes_again_after_a_removal) {
    setup(1);
    world->faults.disk.capacity_bytes = 4 * DISK_PAGE_BYTES;
    struct disk_file *file = create("/f");
    cr_expect_eq(disk_write(disk, file, ones, BIG, 0), BIG);
    cr_expect_eq(disk_write(disk, file, ones, BIG, BIG), -ENOSPC);
    cr_expect_eq(disk_write(disk, file, twos, BIG, 0),
                 BIG); /* what is there may be written again */
    disk_close(disk, file);
    disk_unlink(disk, "/f");
    sync_root();
    file = create("/g");
    cr_expect_eq(disk_write(disk, file, ones, BIG, 0), BIG);
    cr_expect_eq(disk_allocate(disk, file, 0, 2 * BIG, false), -ENOSPC);
    disk_close(disk, file);
    teardown();
}

Test(disk, a_lock_excludes_other_processes_and_goes_with_any_close) {
    setup(1);
    struct disk_file *mine = create("/.lock"), *again = create("/.lock"), *other = NULL;
    cr_assert_eq(disk_open(disk, "/.lock", IO_READ | IO_WRITE, 0, 2, &other), 0);
    cr_expect_eq(disk_lock(disk, mine), 0);
    cr_expect_eq(disk_lock(disk, again), 0);
    cr_expect_eq(disk_lock(disk, other), -EAGAIN);
    disk_close(disk, again); /* POSIX: gone with any descriptor of the file */
    cr_expect_eq(disk_lock(disk, other), 0);
    disk_close(disk, mine);
    disk_close(disk, other);
    teardown();
}
