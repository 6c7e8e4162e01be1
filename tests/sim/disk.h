/* tests/sim/disk.h - one node's file system in memory, with a volatile cache in front of the
 * device. Mechanism only: what an operation does, and what a crash leaves. When it happens and
 * which faults strike is decided by tests/sim/seam_file.c.
 *
 * Files are maps of pages of DISK_PAGE_BYTES. Each page has its current contents, which every read
 * sees, and its stable contents, which are on the device; a page whose current contents are not
 * stable is dirty. A sync takes the dirty pages and the size as they are when it begins and makes
 * those stable when it ends, so what is written in between is not covered. A durable write makes
 * the pages it touches stable, and the size up to its end.
 *
 * Names are ordered per directory: after a power cut a directory has the names it had at its last
 * sync plus a prefix of the changes since. A sync of a file says nothing about its name. (ext4
 * promises more here, with one journal for everything; POSIX does not, and what relies on less runs
 * on both.)
 *
 * A power cut: each dirty page is lost, kept or torn by sectors of DISK_SECTOR_BYTES, independently
 * of all others; the size is the stable one, the last one or something between, with zeros where
 * nothing arrived; an unsynced truncation happened or not. Results are octets or a negative errno,
 * as at the seam. */
#pragma once
#include "base/io.h"
#include "tests/sim/world.h"

enum { DISK_PAGE_BYTES = 4096, DISK_SECTOR_BYTES = 512, DISK_NAME_BYTES = 255 };

struct disk {
    struct world *world; /* borrowed */
    struct mem *mem;     /* borrowed */
    struct inode *root;
    struct list inodes; /* all, oldest first */
    uint64_t sequence;  /* counts changes: later is larger */
    uint32_t next_inode;
    uint64_t used_bytes;    /* of pages and reservations */
    uint64_t hung_until_us; /* the device answers nothing before */
    uint64_t dead_volume;   /* disk_volume of the top directory that is broken; 0: none is */
    uint64_t full_volume;   /* of one where no write finds room, not even over what is there */
    int64_t wall_ms;        /* for modification times; set by the caller */
    uint32_t open_count;
};

struct inode;

/* An open file description. */
struct disk_file {
    struct inode *inode; /* shared */
    unsigned flags;      /* enum io_open_flags */
    uint32_t process;    /* who opened it, for locks */
    uint32_t busy_count; /* operations under way on it; the caller's */
    uint32_t lost_count; /* of the inode, when a sync of this file last told of it */
    uint64_t volume;     /* disk_volume of its path */
    bool is_set_aside;   /* its path ends with ".deleted" */
};
/** Names the top directory that a path is in, as if each were a device of its own; never 0. */
uint64_t disk_volume(const char *path);

/* A sync under way: what it will make stable. */
struct disk_sync;

struct disk *disk_new(struct world *world);
void disk_free(struct disk *disk);

int64_t disk_open(struct disk *disk, const char *path, unsigned flags, unsigned mode,
                  uint32_t process, struct disk_file **ret_file);
/** Gives up the process's locks on the file too, as POSIX does. Taken: file. */
void disk_close(struct disk *disk, struct disk_file *file);
/** With IO_DIRECT clean pages come from the device, whatever a failed sync has lost. */
int64_t disk_read(struct disk *disk, struct disk_file *file, void *buf, size_t len,
                  uint64_t offset);
/** -ENOSPC after a part when the capacity ends; so of names that are new, and allocations. */
int64_t disk_write(struct disk *disk, struct disk_file *file, const void *buf, size_t len,
                   uint64_t offset);
/** What was just written there is on the device, with the size up to it. */
void disk_make_stable(struct disk *disk, struct disk_file *file, uint64_t offset, size_t len);
/** Clean pages are as the device has them. */
void disk_forget(struct disk *disk, struct disk_file *file);
int64_t disk_truncate(struct disk *disk, struct disk_file *file, uint64_t size_bytes);
int64_t disk_allocate(struct disk *disk, struct disk_file *file, uint64_t offset, uint64_t len,
                      bool keeps_size);
int64_t disk_rename(struct disk *disk, const char *from, const char *to);
int64_t disk_unlink(struct disk *disk, const char *path);
int64_t disk_mkdir(struct disk *disk, const char *path, unsigned mode);
int64_t disk_rmdir(struct disk *disk, const char *path);
/** The block comes from mem. */
int64_t disk_list(struct disk *disk, const char *path, struct mem *mem,
                  struct io_listing *ret_listing);
int64_t disk_stat(struct disk *disk, const char *path, struct io_stat *ret_stat);
int64_t disk_statfs(struct disk *disk, const char *path, struct io_statfs *ret_statfs);
int64_t disk_lock(struct disk *disk, struct disk_file *file);

/** A file or a directory. */
struct disk_sync *disk_sync_begin(struct disk *disk, struct disk_file *file);
/** Every file and directory of the file's volume. */
struct disk_sync *disk_sync_begin_all(struct disk *disk, const struct disk_file *file);
/** NULL and a negative errno in *ret_error when the path is no directory. */
struct disk_sync *disk_sync_begin_path(struct disk *disk, const char *path, int64_t *ret_error);
/** good: all of it is stable. Otherwise some of it stays dirty, and some becomes clean without
 * being on the device, so that the next sync succeeds without it (and some even reads as before):
 * never try again. */
void disk_sync_end(struct disk *disk, struct disk_sync *sync, bool good);
/** Whether any sync has failed to store the file's pages since it was opened or this was last
 * asked: the next sync of the open file tells of it, whoever's it was (Linux's errseq_t). */
bool disk_lost(struct disk_file *file);
/** Gives it up: nothing changes. */
void disk_sync_drop(struct disk *disk, struct disk_sync *sync);

/** One dirty page of the file reaches the device by itself; false when there is none. */
bool disk_write_back(struct disk *disk, struct disk_file *file);
/** The power is cut; no file may be open. With `process` 0 every lock goes too. */
void disk_power_cut(struct disk *disk);
/** Changes one bit of one stored page; false when there is none. */
bool disk_flip(struct disk *disk);
