/* tests/sim/disk_names.c - directories of the simulated disk: names, paths, and the changes not yet
 * stable. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/disk.h"
#include "tests/sim/disk_inode.h"

static uint64_t text_hash(const char *text) { return hash_bytes(text, strlen(text), 0); }

static bool has_text(const struct map_node *node, const void *key) {
    return strcmp(CONTAINER_OF(node, struct name, node)->text, key) == 0;
}

void names_init(struct disk *disk, struct names *names) {
    list_init(&names->all);
    map_init(&names->by_text, disk->mem);
}

struct name *names_find(const struct names *names, const char *text) {
    struct map_node *node = map_find(&names->by_text, text_hash(text), has_text, text);
    return node != NULL ? CONTAINER_OF(node, struct name, node) : NULL;
}

static void name_free(struct disk *disk, struct names *names, struct name *name) {
    list_remove(&name->link);
    map_remove(&names->by_text, &name->node);
    inode_unref(disk, name->inode);
    mem_free(disk->mem, name, sizeof *name + strlen(name->text) + 1);
}

void names_remove(struct disk *disk, struct names *names, const char *text) {
    struct name *name = names_find(names, text);
    if (name != NULL) name_free(disk, names, name);
}

void names_set(struct disk *disk, struct names *names, const char *text, struct inode *inode) {
    inode->refs++;
    names_remove(disk, names, text);
    size_t len = strlen(text);
    struct name *name = mem_need(disk->mem, sizeof *name + len + 1);
    name->inode = inode;
    memcpy(name->text, text, len + 1);
    list_push_back(&names->all, &name->link);
    map_insert(&names->by_text, text_hash(text), &name->node);
}

void names_clear(struct disk *disk, struct names *names) {
    LIST_EACH(&names->all, node)
    name_free(disk, names, CONTAINER_OF(node, struct name, link));
    map_release(&names->by_text);
    map_init(&names->by_text, disk->mem);
}

static char *text_copy(struct disk *disk, const char *text) {
    if (text == NULL) return NULL;
    size_t len = strlen(text);
    char *copy = mem_need(disk->mem, len + 1);
    memcpy(copy, text, len + 1);
    return copy;
}

static void change_free(struct disk *disk, struct change *change) {
    list_remove(&change->link);
    inode_unref(disk, change->inode);
    if (change->from != NULL) mem_free(disk->mem, change->from, strlen(change->from) + 1);
    if (change->to != NULL) mem_free(disk->mem, change->to, strlen(change->to) + 1);
    MEM_FREE(disk->mem, change);
}

/* Does a change now and remembers it for the device. */
static void change_names(struct disk *disk, struct inode *directory, const char *from,
                         const char *to, struct inode *inode) {
    struct change *change = MEM_NEW(disk->mem, struct change);
    change->sequence = ++disk->sequence;
    change->inode = inode;
    if (inode != NULL) inode->refs++;
    change->from = text_copy(disk, from);
    change->to = text_copy(disk, to);
    list_push_back(&directory->changes, &change->link);
    directory->modified_ms = disk->wall_ms;
    if (from != NULL) names_remove(disk, &directory->names, from);
    if (to != NULL) names_set(disk, &directory->names, to, inode);
}

void changes_apply(struct disk *disk, struct inode *directory, uint64_t sequence) {
    LIST_EACH(&directory->changes, node) {
        struct change *change = CONTAINER_OF(node, struct change, link);
        if (change->sequence > sequence) break;
        if (change->from != NULL) names_remove(disk, &directory->stable_names, change->from);
        if (change->to != NULL)
            names_set(disk, &directory->stable_names, change->to, change->inode);
        change_free(disk, change);
    }
}

void changes_drop(struct disk *disk, struct inode *directory) {
    LIST_EACH(&directory->changes, node) change_free(disk, CONTAINER_OF(node, struct change, link));
}

/* --- paths --- */

/* The next part of a path; its length, 0 at the end. */
static size_t next_part(const char **path, char part[DISK_NAME_BYTES + 1]) {
    while (**path == '/') (*path)++;
    size_t len = strcspn(*path, "/");
    if (len > DISK_NAME_BYTES) return len;
    memcpy(part, *path, len);
    part[len] = '\0';
    *path += len;
    return len;
}

/* The directory that holds the last part of the path, and that part. */
static struct inode *parent_find(struct disk *disk, const char *path,
                                 char part[DISK_NAME_BYTES + 1], int64_t *ret_error) {
    struct inode *at = disk->root;
    size_t len = next_part(&path, part);
    for (;;) {
        if (len > DISK_NAME_BYTES) {
            *ret_error = -ENAMETOOLONG;
            return NULL;
        }
        char next[DISK_NAME_BYTES + 1];
        size_t next_len = next_part(&path, next);
        if (next_len == 0) return at;
        struct name *name = names_find(&at->names, part);
        if (name == NULL || !name->inode->is_directory) {
            *ret_error = name == NULL ? -ENOENT : -ENOTDIR;
            return NULL;
        }
        at = name->inode;
        len = next_len;
        if (len <= DISK_NAME_BYTES) memcpy(part, next, len + 1);
    }
}

struct inode *path_find(struct disk *disk, const char *path, int64_t *ret_error) {
    char part[DISK_NAME_BYTES + 1];
    struct inode *parent = parent_find(disk, path, part, ret_error);
    if (parent == NULL) return NULL;
    if (part[0] == '\0' || strcmp(part, ".") == 0) return parent;
    struct name *name = names_find(&parent->names, part);
    if (name == NULL) {
        *ret_error = -ENOENT;
        return NULL;
    }
    return name->inode;
}

/* No page is free for an inode or a name. */
static bool is_full(const struct disk *disk) {
    uint64_t capacity = disk_capacity(disk);
    return capacity != 0 && disk->used_bytes + DISK_PAGE_BYTES > capacity;
}

int64_t disk_open(struct disk *disk, const char *path, unsigned flags, unsigned mode,
                  uint32_t process, struct disk_file **ret_file) {
    char part[DISK_NAME_BYTES + 1];
    int64_t error = 0;
    struct inode *parent = parent_find(disk, path, part, &error);
    if (parent == NULL) return error;
    struct name *name = part[0] != '\0' ? names_find(&parent->names, part) : NULL;
    struct inode *inode = name != NULL ? name->inode : NULL;
    if (part[0] == '\0' || strcmp(part, ".") == 0) inode = parent;
    if (inode == NULL) {
        if ((flags & IO_CREATE) == 0) return -ENOENT;
        if (is_full(disk)) return -ENOSPC;
        inode = inode_new(disk, path, false, mode);
        change_names(disk, parent, NULL, part, inode);
    } else if ((flags & IO_CREATE) != 0 && (flags & IO_EXCLUSIVE) != 0) {
        return -EEXIST;
    }
    if (inode->is_directory && (flags & IO_WRITE) != 0) return -EISDIR;
    if (!inode->is_directory && (flags & IO_DIRECTORY) != 0) return -ENOTDIR;
    struct disk_file *file = MEM_NEW(disk->mem, struct disk_file);
    *file = (struct disk_file){.inode = inode,
                               .flags = flags,
                               .process = process,
                               .volume = inode->volume,
                               .lost_count = inode->lost_count};
    inode->refs++;
    disk->open_count++;
    if ((flags & IO_TRUNCATE) != 0 && (flags & IO_WRITE) != 0)
        (void)disk_truncate(disk, file, 0); /* cannot fail */
    *ret_file = file;
    return 0;
}

int64_t disk_rename(struct disk *disk, const char *from, const char *to) {
    char from_part[DISK_NAME_BYTES + 1], to_part[DISK_NAME_BYTES + 1];
    int64_t error = 0;
    struct inode *parent = parent_find(disk, from, from_part, &error);
    if (parent == NULL) return error;
    struct inode *to_parent = parent_find(disk, to, to_part, &error);
    if (to_parent == NULL) return error;
    struct name *name = names_find(&parent->names, from_part);
    if (name == NULL) return -ENOENT;
    if (parent != to_parent) return -EXDEV; /* each directory is a file system of its own in this */
    struct inode *inode = name->inode;
    struct name *old = names_find(&parent->names, to_part);
    if (old != NULL) {
        if (old->inode == inode) return 0;
        if (inode->is_directory && !old->inode->is_directory) return -ENOTDIR;
        if (!inode->is_directory && old->inode->is_directory) return -EISDIR;
        if (old->inode->is_directory && !list_is_empty(&old->inode->names.all)) return -ENOTEMPTY;
    }
    if (old == NULL && strlen(to_part) > strlen(from_part) && is_full(disk)) return -ENOSPC;
    change_names(disk, parent, from_part, to_part, inode);
    return 0;
}

int64_t disk_unlink(struct disk *disk, const char *path) {
    char part[DISK_NAME_BYTES + 1];
    int64_t error = 0;
    struct inode *parent = parent_find(disk, path, part, &error);
    if (parent == NULL) return error;
    struct name *name = names_find(&parent->names, part);
    if (name == NULL) return -ENOENT;
    if (name->inode->is_directory) return -EISDIR;
    change_names(disk, parent, part, NULL, NULL);
    return 0;
}

int64_t disk_mkdir(struct disk *disk, const char *path, unsigned mode) {
    char part[DISK_NAME_BYTES + 1];
    int64_t error = 0;
    struct inode *parent = parent_find(disk, path, part, &error);
    if (parent == NULL) return error;
    if (part[0] == '\0' || names_find(&parent->names, part) != NULL) return -EEXIST;
    if (is_full(disk)) return -ENOSPC;
    change_names(disk, parent, NULL, part, inode_new(disk, path, true, mode));
    return 0;
}

int64_t disk_rmdir(struct disk *disk, const char *path) {
    char part[DISK_NAME_BYTES + 1];
    int64_t error = 0;
    struct inode *parent = parent_find(disk, path, part, &error);
    if (parent == NULL) return error;
    struct name *name = names_find(&parent->names, part);
    if (name == NULL) return -ENOENT;
    if (!name->inode->is_directory) return -ENOTDIR;
    if (!list_is_empty(&name->inode->names.all)) return -ENOTEMPTY;
    change_names(disk, parent, part, NULL, NULL);
    return 0;
}

static int by_name(const void *a, const void *b) {
    const struct io_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int64_t disk_list(struct disk *disk, const char *path, struct mem *mem,
                  struct io_listing *ret_listing) {
    int64_t error = 0;
    struct inode *inode = path_find(disk, path, &error);
    if (inode == NULL) return error;
    if (!inode->is_directory) return -ENOTDIR;
    uint32_t count = 0;
    size_t text_bytes = 0;
    LIST_EACH(&inode->names.all, node) {
        count++;
        text_bytes += strlen(CONTAINER_OF(node, struct name, link)->text) + 1;
    }
    size_t bytes = count * sizeof(struct io_entry) + text_bytes;
    struct io_entry *entries = mem_alloc(mem, bytes);
    if (entries == NULL) return -ENOMEM;
    char *text = (char *)(entries + count);
    uint32_t at = 0;
    LIST_EACH(&inode->names.all, node) {
        struct name *name = CONTAINER_OF(node, struct name, link);
        size_t len = strlen(name->text) + 1;
        memcpy(text, name->text, len);
        bool is_file = !name->inode->is_directory;
        entries[at++] = (struct io_entry){.name = text,
                                          .kind = is_file ? IO_FILE : IO_DIR,
                                          .size_bytes = is_file ? name->inode->size_bytes : 0};
        text += len;
    }
    qsort(entries, count, sizeof *entries, by_name);
    *ret_listing = (struct io_listing){.entries = entries, .count = count, .bytes = bytes};
    return count;
}

int64_t disk_stat(struct disk *disk, const char *path, struct io_stat *ret_stat) {
    int64_t error = 0;
    struct inode *inode = path_find(disk, path, &error);
    if (inode == NULL) return error;
    *ret_stat = (struct io_stat){.size_bytes = inode->size_bytes,
                                 .modified_ms = inode->modified_ms,
                                 .mode = inode->mode,
                                 .link_count = 1,
                                 .kind = inode->is_directory ? IO_DIR : IO_FILE};
    return 0;
}

int64_t disk_statfs(struct disk *disk, const char *path, struct io_statfs *ret_statfs) {
    int64_t error = 0;
    if (path_find(disk, path, &error) == NULL) return error;
    uint64_t capacity = disk_capacity(disk);
    uint64_t total = capacity != 0 ? capacity : (uint64_t)1 << 40;
    *ret_statfs = (struct io_statfs){
        .total_bytes = total, .free_bytes = total - MIN(total, disk->used_bytes), .device = 1};
    return 0;
}
