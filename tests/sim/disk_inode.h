/* tests/sim/disk_inode.h - what disk.c, disk_names.c and disk_crash.c share: inodes, pages, names.
 */
#pragma once
#include "base/map.h"
#include "tests/sim/disk.h"

struct page_data {
    uint32_t refs;
    uint8_t bytes[DISK_PAGE_BYTES];
};

/* NULL contents are zeros. */
struct page {
    struct list dirty_link; /* in inode->dirty when it is dirty */
    struct page_data *current, *stable;
    uint64_t sequence;        /* of the last change */
    uint64_t stable_sequence; /* of the change that is stable */
    uint64_t index;
};

enum { LEAF_PAGES = 64 };
struct leaf {
    struct page *pages[LEAF_PAGES];
};

struct name {
    struct list link;     /* in names->all */
    struct map_node node; /* in names->by_text */
    struct inode *inode;  /* shared */
    char text[];          /* terminated */
};

/* Of one directory. */
struct names {
    struct list all;
    struct map by_text;
};

/* One change of a directory's names that is not stable yet. */
struct change {
    struct list link; /* in inode->changes */
    uint64_t sequence;
    struct inode *inode; /* shared; what `to` names afterwards; NULL: nothing does */
    char *from;          /* a name that goes away; NULL: none */
    char *to;            /* a name that appears or is replaced; NULL: none */
};

/* One truncation that is not stable yet. */
struct shrink {
    struct list link; /* in inode->shrinks */
    uint64_t sequence;
    uint64_t to_bytes;
};

struct inode {
    struct list link; /* in disk->inodes */
    uint32_t refs;    /* names, stable names, changes, open files, syncs */
    uint32_t number;
    uint64_t volume; /* disk_volume of the path it was made by; nothing is renamed into another */
    bool is_directory;
    bool is_marked; /* reachable, while a crash sweeps */
    unsigned mode;
    int64_t modified_ms;
    uint32_t lock_process; /* 0: not locked */
    /* a file */
    struct leaf **leaves;
    uint64_t leaf_count;
    struct list dirty; /* struct page */
    uint64_t size_bytes, stable_size_bytes;
    uint64_t stable_size_sequence; /* of the disk when the sync that made it stable began */
    struct list shrinks;           /* struct shrink, oldest first */
    uint64_t reserved_bytes;       /* allocated up to here */
    uint32_t lost_count;           /* syncs that lost pages of it */
    /* a directory */
    struct names names;        /* as they are now */
    struct names stable_names; /* as they are on the device */
    struct list changes;       /* struct change: what leads from the one to the other */
};

/** Octets that the disk holds now; 0: endless. */
uint64_t disk_capacity(const struct disk *disk);
struct inode *inode_new(struct disk *disk, const char *path, bool is_directory, unsigned mode);
void inode_unref(struct disk *disk, struct inode *inode);
struct page *inode_page(struct inode *inode, uint64_t index);
void page_set(struct disk *disk, struct page_data **at, struct page_data *data);
void page_clean(struct page *page);
/** The truncations so far are on the device: what lies beyond the smallest is gone there. */
void shrinks_commit(struct disk *disk, struct inode *inode);
/** Forgets truncations up to a sequence. */
void shrinks_drop(struct disk *disk, struct inode *inode, uint64_t sequence);

void names_init(struct disk *disk, struct names *names);
struct name *names_find(const struct names *names, const char *text);
void names_set(struct disk *disk, struct names *names, const char *text, struct inode *inode);
void names_remove(struct disk *disk, struct names *names, const char *text);
void names_clear(struct disk *disk, struct names *names);
/** Moves changes up to a sequence into the stable names. */
void changes_apply(struct disk *disk, struct inode *directory, uint64_t sequence);
void changes_drop(struct disk *disk, struct inode *directory);

/** The inode at path; NULL with *ret_error set. */
struct inode *path_find(struct disk *disk, const char *path, int64_t *ret_error);
