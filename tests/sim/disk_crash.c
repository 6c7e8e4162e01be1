/* tests/sim/disk_crash.c - what is left on the simulated disk when the power goes, and stored bits
 * that flip. */
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "tests/sim/disk.h"
#include "tests/sim/disk_inode.h"

enum { SECTORS = DISK_PAGE_BYTES / DISK_SECTOR_BYTES };

static const uint8_t zeros[DISK_PAGE_BYTES];

/* Each directory's device holds a prefix of the changes since its last sync. */
static void names_cut(struct disk *disk, struct inode *directory) {
    size_t count = 0;
    LIST_EACH(&directory->changes, node) count++;
    if (count > 0) {
        size_t kept = (size_t)prng_below(&disk->world->prng, count + 1);
        if (kept < count) world_count(disk->world, FAULT_CRASH_LOST_NAME);
        uint64_t last = 0;
        LIST_EACH(&directory->changes, node) {
            if (kept-- == 0) break;
            last = CONTAINER_OF(node, struct change, link)->sequence;
        }
        changes_apply(disk, directory, last);
        changes_drop(disk, directory);
    }
    names_clear(disk, &directory->names);
    LIST_EACH(&directory->stable_names.all, node) {
        struct name *name = CONTAINER_OF(node, struct name, link);
        names_set(disk, &directory->names, name->text, name->inode);
    }
}

/* Some sectors of the new contents over the old ones. */
static struct page_data *page_tear(struct disk *disk, const struct page *page) {
    struct page_data *torn = MEM_NEW(disk->mem, struct page_data);
    disk->used_bytes += DISK_PAGE_BYTES;
    const uint8_t *old = page->stable != NULL ? page->stable->bytes : zeros;
    const uint8_t *new = page->current != NULL ? page->current->bytes : zeros;
    uint64_t chosen = prng_next(&disk->world->prng);
    for (int i = 0; i < SECTORS; i++) {
        const uint8_t *from = (chosen >> i & 1) != 0 ? new : old;
        memcpy(torn->bytes + i * DISK_SECTOR_BYTES, from + i * DISK_SECTOR_BYTES,
               DISK_SECTOR_BYTES);
    }
    return torn;
}

static void dirty_page_cut(struct disk *disk, struct page *page) {
    const struct disk_faults *faults = &disk->world->faults.disk;
    uint64_t lose = faults->lose_weight, keep = faults->keep_weight, tear = faults->tear_weight;
    uint64_t roll = prng_below(&disk->world->prng, lose + keep + tear);
    if (roll < lose) {
        world_count(disk->world, FAULT_CRASH_LOST_PAGE);
    } else if (roll < lose + keep) {
        world_count(disk->world, FAULT_CRASH_KEPT_PAGE);
        page_set(disk, &page->stable, page->current);
    } else {
        world_count(disk->world, FAULT_CRASH_TORN_PAGE);
        page_set(disk, &page->stable, page_tear(disk, page));
    }
    page_clean(page);
}

/* Every page's contents are the stable ones; beyond the size there is nothing. */
static void pages_settle(struct disk *disk, struct inode *inode) {
    for (uint64_t i = 0; i < inode->leaf_count * LEAF_PAGES; i++) {
        struct page *page = inode_page(inode, i);
        if (page == NULL) continue;
        uint64_t start = i * DISK_PAGE_BYTES;
        if (start >= inode->size_bytes) {
            page_set(disk, &page->stable, NULL);
        } else if (start + DISK_PAGE_BYTES > inode->size_bytes && page->stable != NULL) {
            size_t keep = (size_t)(inode->size_bytes - start);
            struct page_data *cut = MEM_NEW(disk->mem, struct page_data);
            disk->used_bytes += DISK_PAGE_BYTES;
            memcpy(cut->bytes, page->stable->bytes, keep);
            page_set(disk, &page->stable, cut);
        }
        page_set(disk, &page->current, page->stable);
        page->stable_sequence = page->sequence;
    }
}

static void file_cut(struct disk *disk, struct inode *inode) {
    struct prng *prng = &disk->world->prng;
    bool truncation_lost = !list_is_empty(&inode->shrinks) && prng_chance(prng, 1, 2);
    if (truncation_lost) {
        /* What was written after it went to new blocks, which nothing refers to. */
        LIST_EACH(&inode->dirty, node) page_clean(CONTAINER_OF(node, struct page, dirty_link));
        shrinks_drop(disk, inode, UINT64_MAX);
        inode->size_bytes = inode->stable_size_bytes;
    } else {
        shrinks_commit(disk, inode);
        LIST_EACH(&inode->dirty, node) {
            dirty_page_cut(disk, CONTAINER_OF(node, struct page, dirty_link));
        }
        uint64_t low = MIN(inode->stable_size_bytes, inode->size_bytes), high = inode->size_bytes;
        uint64_t size = high;
        if (low < high && prng_chance(prng, 2, 3)) {
            size = prng_chance(prng, 1, 2) ? low : low + prng_below(prng, high - low);
            world_count(disk->world, FAULT_CRASH_SHORT_FILE);
        }
        inode->size_bytes = size;
    }
    inode->stable_size_bytes = inode->size_bytes;
    inode->stable_size_sequence = disk->sequence;
    pages_settle(disk, inode);
}

void disk_power_cut(struct disk *disk) {
    ASSERT(disk->open_count == 0);
    disk->sequence++;
    /* Names first: an inode that nothing refers to any more goes with its last name. The walk holds
     * each one, because a directory may take its children with it. */
    LIST_EACH(&disk->inodes, node) CONTAINER_OF(node, struct inode, link)->refs++;
    LIST_EACH(&disk->inodes, node) {
        struct inode *inode = CONTAINER_OF(node, struct inode, link);
        if (inode->is_directory) names_cut(disk, inode);
    }
    LIST_EACH(&disk->inodes, node) {
        struct inode *inode = CONTAINER_OF(node, struct inode, link);
        inode->lock_process = 0;
        if (!inode->is_directory) file_cut(disk, inode);
    }
    LIST_EACH(&disk->inodes, node) inode_unref(disk, CONTAINER_OF(node, struct inode, link));
}

bool disk_flip(struct disk *disk) {
    uint64_t count = 0;
    struct page *chosen = NULL;
    LIST_EACH(&disk->inodes, node) {
        struct inode *inode = CONTAINER_OF(node, struct inode, link);
        for (uint64_t i = 0; i < inode->leaf_count * LEAF_PAGES; i++) {
            struct page *page = inode_page(inode, i);
            if (page == NULL || page->stable == NULL || page->current != page->stable) continue;
            if (prng_below(&disk->world->prng, ++count) == 0)
                chosen = page; /* each with the same chance */
        }
    }
    if (chosen == NULL) return false;
    struct page_data *flipped = MEM_NEW(disk->mem, struct page_data);
    disk->used_bytes += DISK_PAGE_BYTES;
    memcpy(flipped->bytes, chosen->stable->bytes, DISK_PAGE_BYTES);
    uint64_t bit = prng_below(&disk->world->prng, DISK_PAGE_BYTES * 8);
    flipped->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    page_set(disk, &chosen->stable, flipped);
    page_set(disk, &chosen->current, flipped);
    world_count(disk->world, FAULT_DISK_FLIP);
    return true;
}
