/* tests/sim/disk.c - files of the simulated disk: pages, sizes, syncs. */
#include "tests/sim/disk.h"
#include <errno.h>
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/disk_inode.h"

struct sync_page {
    struct inode *inode;
    struct page *page;
    struct page_data *data; /* shared; as it was when the sync began */
    uint64_t sequence;
};

struct sync_inode {
    struct inode *inode; /* shared */
    uint64_t size_bytes;
    uint64_t sequence; /* of the disk when the sync began */
};

struct disk_sync {
    struct sync_inode *inodes;
    size_t inode_count;
    struct sync_page *pages;
    size_t page_count;
};

uint64_t disk_capacity(const struct disk *disk) {
    return disk->world->faults_off ? 0 : disk->world->faults.disk.capacity_bytes;
}

static void page_data_unref(struct disk *disk, struct page_data *data) {
    if (data == NULL || --data->refs > 0) return;
    disk->used_bytes -= DISK_PAGE_BYTES;
    MEM_FREE(disk->mem, data);
}

/* Points *at to data, which is shared by it. */
void page_set(struct disk *disk, struct page_data **at, struct page_data *data) {
    if (data != NULL) data->refs++;
    page_data_unref(disk, *at);
    *at = data;
}

void page_clean(struct page *page) { list_remove(&page->dirty_link); }

struct page *inode_page(struct inode *inode, uint64_t index) {
    uint64_t leaf = index / LEAF_PAGES;
    if (leaf >= inode->leaf_count || inode->leaves[leaf] == NULL) return NULL;
    return inode->leaves[leaf]->pages[index % LEAF_PAGES];
}

static struct page *page_need(struct disk *disk, struct inode *inode, uint64_t index) {
    uint64_t leaf = index / LEAF_PAGES;
    if (leaf >= inode->leaf_count) {
        uint64_t count = MAX(leaf + 1, 2 * inode->leaf_count);
        struct leaf **leaves = mem_need(disk->mem, count * sizeof *leaves);
        for (uint64_t i = 0; i < inode->leaf_count; i++) leaves[i] = inode->leaves[i];
        mem_free(disk->mem, inode->leaves, inode->leaf_count * sizeof *leaves);
        inode->leaves = leaves;
        inode->leaf_count = count;
    }
    if (inode->leaves[leaf] == NULL) inode->leaves[leaf] = MEM_NEW(disk->mem, struct leaf);
    struct page **at = &inode->leaves[leaf]->pages[index % LEAF_PAGES];
    if (*at == NULL) {
        *at = MEM_NEW(disk->mem, struct page);
        (*at)->index = index;
    }
    return *at;
}

static void page_changed(struct disk *disk, struct inode *inode, struct page *page) {
    page->sequence = ++disk->sequence;
    if (!list_is_linked(&page->dirty_link)) list_push_back(&inode->dirty, &page->dirty_link);
}

/* The page's own current contents, to be written into; NULL when the disk is full. */
static struct page_data *page_own(struct disk *disk, struct page *page) {
    struct page_data *old = page->current;
    if (old != NULL && old->refs == 1) return old;
    uint64_t capacity = disk_capacity(disk);
    bool is_new =
        old == NULL && page->stable == NULL; /* a copy is the simulator's, not the disk's */
    if (is_new && capacity != 0 && disk->used_bytes + DISK_PAGE_BYTES > capacity) return NULL;
    struct page_data *data = MEM_NEW(disk->mem, struct page_data);
    disk->used_bytes += DISK_PAGE_BYTES;
    if (old != NULL) memcpy(data->bytes, old->bytes, DISK_PAGE_BYTES);
    page_set(disk, &page->current, data);
    return data;
}

struct inode *inode_new(struct disk *disk, const char *path, bool is_directory, unsigned mode) {
    struct inode *inode = MEM_NEW(disk->mem, struct inode);
    inode->number = ++disk->next_inode;
    inode->volume = disk_volume(path);
    inode->is_directory = is_directory;
    inode->mode = mode;
    inode->modified_ms = disk->wall_ms;
    list_init(&inode->dirty);
    list_init(&inode->shrinks);
    names_init(disk, &inode->names);
    names_init(disk, &inode->stable_names);
    list_init(&inode->changes);
    list_push_back(&disk->inodes, &inode->link);
    return inode;
}

static void pages_free(struct disk *disk, struct inode *inode) {
    for (uint64_t i = 0; i < inode->leaf_count; i++) {
        struct leaf *leaf = inode->leaves[i];
        if (leaf == NULL) continue;
        for (int k = 0; k < LEAF_PAGES; k++) {
            if (leaf->pages[k] == NULL) continue;
            page_set(disk, &leaf->pages[k]->current, NULL);
            page_set(disk, &leaf->pages[k]->stable, NULL);
            MEM_FREE(disk->mem, leaf->pages[k]);
        }
        MEM_FREE(disk->mem, leaf);
    }
    mem_free(disk->mem, inode->leaves, inode->leaf_count * sizeof *inode->leaves);
}

/* A directory holds its children: at most as deep as a path has parts. */
void inode_unref(struct disk *disk, struct inode *inode) {
    if (inode == NULL) return;
    ASSERT(inode->refs > 0);
    if (--inode->refs > 0) return;
    names_clear(disk, &inode->names);
    names_clear(disk, &inode->stable_names);
    changes_drop(disk, inode);
    shrinks_drop(disk, inode, UINT64_MAX);
    pages_free(disk, inode);
    disk->used_bytes -= inode->reserved_bytes;
    list_remove(&inode->link);
    MEM_FREE(disk->mem, inode);
}

uint64_t disk_volume(const char *path) {
    const char *end = strchr(path + 1, '/');
    return hash_bytes(path, end != NULL ? (size_t)(end - path) : strlen(path), 0) | 1;
}

struct disk *disk_new(struct world *world) {
    struct disk *disk = MEM_NEW(&world->mem, struct disk);
    disk->world = world;
    disk->mem = &world->mem;
    list_init(&disk->inodes);
    disk->root = inode_new(disk, "/", true, 0755);
    disk->root->refs = 1;
    return disk;
}

void disk_free(struct disk *disk) {
    ASSERT(disk->open_count == 0);
    inode_unref(disk, disk->root);
    ASSERT(list_is_empty(&disk->inodes));
    MEM_FREE(disk->mem, disk);
}

void disk_close(struct disk *disk, struct disk_file *file) {
    if (file->inode->lock_process == file->process) file->inode->lock_process = 0;
    disk->open_count--;
    inode_unref(disk, file->inode);
    MEM_FREE(disk->mem, file);
}

/* NULL: zeros. What is dirty goes to the device before it is read from there; nothing says that it
 * is stable then. */
static const struct page_data *page_read(const struct disk_file *file, uint64_t index) {
    const struct page *page = inode_page(file->inode, index);
    if (page == NULL) return NULL;
    bool from_device = (file->flags & IO_DIRECT) != 0 && !list_is_linked(&page->dirty_link);
    return from_device ? page->stable : page->current;
}

int64_t disk_read(struct disk *disk, struct disk_file *file, void *buf, size_t len,
                  uint64_t offset) {
    (void)disk; /* all state is the inode's */
    if (file->inode->is_directory) return -EISDIR;
    if ((file->flags & IO_READ) == 0) return -EBADF;
    uint64_t size = file->inode->size_bytes;
    if (offset >= size) return 0;
    size_t want = (size_t)MIN((uint64_t)len, size - offset);
    uint8_t *out = buf;
    for (size_t done = 0; done < want;) {
        uint64_t at = offset + done;
        size_t start = (size_t)(at % DISK_PAGE_BYTES),
               n = MIN(want - done, DISK_PAGE_BYTES - start);
        const struct page_data *data = page_read(file, at / DISK_PAGE_BYTES);
        if (data != NULL) {
            memcpy(out + done, data->bytes + start, n);
        } else {
            memset(out + done, 0, n);
        }
        done += n;
    }
    return (int64_t)want;
}

int64_t disk_write(struct disk *disk, struct disk_file *file, const void *buf, size_t len,
                   uint64_t offset) {
    struct inode *inode = file->inode;
    if ((file->flags & IO_WRITE) == 0) return -EBADF;
    const uint8_t *in = buf;
    inode->modified_ms = disk->wall_ms;
    for (size_t done = 0; done < len;) {
        uint64_t at = offset + done;
        size_t start = (size_t)(at % DISK_PAGE_BYTES), n = MIN(len - done, DISK_PAGE_BYTES - start);
        struct page *page = page_need(disk, inode, at / DISK_PAGE_BYTES);
        struct page_data *data = page_own(disk, page);
        if (data == NULL) return -ENOSPC;
        memcpy(data->bytes + start, in + done, n);
        page_changed(disk, inode, page);
        done += n;
        if (at + n > inode->size_bytes) inode->size_bytes = at + n;
    }
    return (int64_t)len;
}

static void page_now_stable(struct disk *disk, struct page *page) {
    page_set(disk, &page->stable, page->current);
    page->stable_sequence = page->sequence;
    page_clean(page);
}

static void stable_size_reaches(struct inode *inode, uint64_t end_bytes) {
    uint64_t end = MIN(end_bytes, inode->size_bytes);
    if (list_is_empty(&inode->shrinks))
        inode->stable_size_bytes = MAX(inode->stable_size_bytes, end);
}

void shrinks_drop(struct disk *disk, struct inode *inode, uint64_t sequence) {
    LIST_EACH(&inode->shrinks, node) {
        struct shrink *shrink = CONTAINER_OF(node, struct shrink, link);
        if (shrink->sequence > sequence) continue;
        list_remove(node);
        MEM_FREE(disk->mem, shrink);
    }
}

void shrinks_commit(struct disk *disk, struct inode *inode) {
    if (list_is_empty(&inode->shrinks)) return;
    uint64_t to = UINT64_MAX;
    LIST_EACH(&inode->shrinks, node)
    to = MIN(to, CONTAINER_OF(node, struct shrink, link)->to_bytes);
    for (uint64_t i = to / DISK_PAGE_BYTES; i < inode->leaf_count * LEAF_PAGES; i++) {
        struct page *page = inode_page(inode, i);
        if (page == NULL || page->stable == NULL) continue;
        size_t keep = i == to / DISK_PAGE_BYTES ? (size_t)(to % DISK_PAGE_BYTES) : 0;
        struct page_data *cut = NULL;
        if (keep > 0) {
            cut = MEM_NEW(disk->mem, struct page_data);
            disk->used_bytes += DISK_PAGE_BYTES;
            memcpy(cut->bytes, page->stable->bytes, keep);
        }
        page_set(disk, &page->stable, cut);
        if (page->current == NULL) page_clean(page);
    }
    inode->stable_size_bytes = MIN(inode->stable_size_bytes, to);
    shrinks_drop(disk, inode, UINT64_MAX);
}

void disk_make_stable(struct disk *disk, struct disk_file *file, uint64_t offset, size_t len) {
    struct inode *inode = file->inode;
    shrinks_commit(disk, inode);
    for (uint64_t i = offset / DISK_PAGE_BYTES; i * DISK_PAGE_BYTES < offset + len; i++) {
        struct page *page = inode_page(inode, i);
        if (page != NULL && list_is_linked(&page->dirty_link)) page_now_stable(disk, page);
    }
    stable_size_reaches(inode, offset + len);
}

void disk_forget(struct disk *disk, struct disk_file *file) {
    for (uint64_t i = 0; i < file->inode->leaf_count * LEAF_PAGES; i++) {
        struct page *page = inode_page(file->inode, i);
        if (page == NULL || list_is_linked(&page->dirty_link)) continue;
        page_set(disk, &page->current, page->stable);
    }
}

int64_t disk_truncate(struct disk *disk, struct disk_file *file, uint64_t size_bytes) {
    struct inode *inode = file->inode;
    if ((file->flags & IO_WRITE) == 0) return -EBADF;
    inode->modified_ms = disk->wall_ms;
    if (size_bytes < inode->size_bytes) {
        struct shrink *shrink = MEM_NEW(disk->mem, struct shrink);
        shrink->sequence = ++disk->sequence;
        shrink->to_bytes = size_bytes;
        list_push_back(&inode->shrinks, &shrink->link);
        uint64_t last = (inode->size_bytes + DISK_PAGE_BYTES - 1) / DISK_PAGE_BYTES;
        for (uint64_t i = size_bytes / DISK_PAGE_BYTES; i < last; i++) {
            struct page *page = inode_page(inode, i);
            if (page == NULL || page->current == NULL) continue;
            size_t keep =
                i == size_bytes / DISK_PAGE_BYTES ? (size_t)(size_bytes % DISK_PAGE_BYTES) : 0;
            if (keep == 0) {
                page_set(disk, &page->current, NULL);
            } else {
                struct page_data *data = page_own(disk, page);
                ASSERT(data != NULL); /* it exists, so it asks for no room */
                memset(data->bytes + keep, 0, DISK_PAGE_BYTES - keep);
            }
            page_changed(disk, inode, page);
        }
    }
    inode->size_bytes = size_bytes;
    if (inode->reserved_bytes > size_bytes) {
        disk->used_bytes -= inode->reserved_bytes - size_bytes;
        inode->reserved_bytes = size_bytes;
    }
    return 0;
}

int64_t disk_allocate(struct disk *disk, struct disk_file *file, uint64_t offset, uint64_t len,
                      bool keeps_size) {
    struct inode *inode = file->inode;
    if ((file->flags & IO_WRITE) == 0) return -EBADF;
    uint64_t end = offset + len, capacity = disk_capacity(disk);
    if (end > inode->reserved_bytes) {
        uint64_t more = end - MAX(inode->reserved_bytes, MIN(end, inode->size_bytes));
        if (capacity != 0 && disk->used_bytes + more > capacity) return -ENOSPC;
        disk->used_bytes += end - inode->reserved_bytes;
        inode->reserved_bytes = end;
    }
    if (end > inode->size_bytes && !keeps_size) inode->size_bytes = end;
    return 0;
}

int64_t disk_lock(struct disk *disk, struct disk_file *file) {
    (void)disk; /* all state is the inode's */
    if (file->inode->lock_process != 0 && file->inode->lock_process != file->process)
        return -EAGAIN;
    file->inode->lock_process = file->process;
    return 0;
}

/* --- syncs --- */

static size_t dirty_count(const struct inode *inode) {
    size_t count = 0;
    LIST_EACH(&inode->dirty, node) count++;
    return count;
}

static struct disk_sync *sync_new(struct disk *disk, size_t inode_count, size_t page_count) {
    struct disk_sync *sync = MEM_NEW(disk->mem, struct disk_sync);
    sync->inodes = mem_need(disk->mem, inode_count * sizeof *sync->inodes);
    sync->pages = mem_need(disk->mem, page_count * sizeof *sync->pages);
    return sync;
}

static void sync_add(struct disk *disk, struct disk_sync *sync, struct inode *inode) {
    inode->refs++;
    sync->inodes[sync->inode_count++] = (struct sync_inode){
        .inode = inode, .size_bytes = inode->size_bytes, .sequence = disk->sequence};
    LIST_EACH(&inode->dirty, node) {
        struct page *page = CONTAINER_OF(node, struct page, dirty_link);
        struct sync_page *at = &sync->pages[sync->page_count++];
        *at = (struct sync_page){.inode = inode, .page = page, .sequence = page->sequence};
        page_set(disk, &at->data, page->current);
    }
}

static struct disk_sync *sync_of(struct disk *disk, struct inode *inode) {
    struct disk_sync *sync = sync_new(disk, 1, dirty_count(inode));
    sync_add(disk, sync, inode);
    return sync;
}

struct disk_sync *disk_sync_begin(struct disk *disk, struct disk_file *file) {
    return sync_of(disk, file->inode);
}

struct disk_sync *disk_sync_begin_path(struct disk *disk, const char *path, int64_t *ret_error) {
    int64_t error = 0;
    struct inode *inode = path_find(disk, path, &error);
    if (inode != NULL && !inode->is_directory) error = -ENOTDIR;
    if (error != 0) {
        *ret_error = error;
        return NULL;
    }
    return sync_of(disk, inode);
}

/* A sync would change nothing of it. */
static bool is_settled(const struct inode *inode) {
    return list_is_empty(&inode->dirty) && list_is_empty(&inode->shrinks) &&
           list_is_empty(&inode->changes) && inode->size_bytes == inode->stable_size_bytes;
}

struct disk_sync *disk_sync_begin_all(struct disk *disk, const struct disk_file *file) {
    size_t inodes = 0, pages = 0;
    LIST_EACH(&disk->inodes, node) {
        struct inode *inode = CONTAINER_OF(node, struct inode, link);
        if (inode->volume != file->inode->volume || is_settled(inode)) continue;
        inodes++;
        pages += dirty_count(inode);
    }
    struct disk_sync *sync = sync_new(disk, inodes, pages);
    LIST_EACH(&disk->inodes, node) {
        struct inode *inode = CONTAINER_OF(node, struct inode, link);
        if (inode->volume == file->inode->volume && !is_settled(inode))
            sync_add(disk, sync, inode);
    }
    return sync;
}

static void sync_free(struct disk *disk, struct disk_sync *sync) {
    for (size_t i = 0; i < sync->page_count; i++) page_set(disk, &sync->pages[i].data, NULL);
    for (size_t i = 0; i < sync->inode_count; i++) inode_unref(disk, sync->inodes[i].inode);
    mem_free(disk->mem, sync->pages, sync->page_count * sizeof *sync->pages);
    mem_free(disk->mem, sync->inodes, sync->inode_count * sizeof *sync->inodes);
    MEM_FREE(disk->mem, sync);
}

void disk_sync_drop(struct disk *disk, struct disk_sync *sync) { sync_free(disk, sync); }

static void sync_page_good(struct disk *disk, struct sync_page *at) {
    struct page *page = at->page;
    if (at->sequence > page->stable_sequence) {
        page_set(disk, &page->stable, at->data);
        page->stable_sequence = at->sequence;
    }
    if (page->sequence == at->sequence) page_clean(page);
}

/* The kernel has marked it clean: later syncs pass it over. Some file systems even forget the new
 * contents. */
static void sync_page_bad(struct disk *disk, struct sync_page *at) {
    struct page *page = at->page;
    at->inode->lost_count++;
    if (page->sequence != at->sequence || prng_chance(&disk->world->prng, 1, 2)) return;
    page_clean(page);
    if (prng_chance(&disk->world->prng, 1, 4)) page_set(disk, &page->current, page->stable);
}

static void sync_inode_good(struct disk *disk, struct sync_inode *at) {
    struct inode *inode = at->inode;
    if (at->sequence >= inode->stable_size_sequence) {
        bool shrank = !list_is_empty(&inode->shrinks);
        shrinks_drop(disk, inode, at->sequence);
        /* A durable write may have made a larger size stable meanwhile. */
        uint64_t reached = shrank ? 0 : inode->stable_size_bytes;
        inode->stable_size_bytes = MAX(at->size_bytes, reached);
        inode->stable_size_sequence = at->sequence;
    }
    if (inode->is_directory) changes_apply(disk, inode, at->sequence);
}

bool disk_lost(struct disk_file *file) {
    bool is_new = file->lost_count != file->inode->lost_count;
    file->lost_count = file->inode->lost_count;
    return is_new;
}

void disk_sync_end(struct disk *disk, struct disk_sync *sync, bool good) {
    for (size_t i = 0; i < sync->page_count; i++) {
        if (good) {
            sync_page_good(disk, &sync->pages[i]);
        } else {
            sync_page_bad(disk, &sync->pages[i]);
        }
    }
    for (size_t i = 0; good && i < sync->inode_count; i++) sync_inode_good(disk, &sync->inodes[i]);
    sync_free(disk, sync);
}

bool disk_write_back(struct disk *disk, struct disk_file *file) {
    struct inode *inode = file->inode;
    if (list_is_empty(&inode->dirty) || !list_is_empty(&inode->shrinks)) return false;
    size_t skip = (size_t)prng_below(&disk->world->prng, dirty_count(inode));
    LIST_EACH(&inode->dirty, node) {
        if (skip-- > 0) continue;
        struct page *page = CONTAINER_OF(node, struct page, dirty_link);
        page_now_stable(disk, page);
        stable_size_reaches(inode, (page->index + 1) * DISK_PAGE_BYTES);
        return true;
    }
    return false;
}
