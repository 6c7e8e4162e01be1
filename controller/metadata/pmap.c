/* controller/metadata/pmap.c - the AVL tree behind pmap.h (Adelson-Velsky and Landis 1962; path
 * copying: Driscoll, Sarnak, Sleator and Tarjan 1989).
 *
 * How a change shares: walking down, each node on the path is made the writer's own: a node with
 * one reference, below nodes with one reference, is nobody else's and is changed in place; any
 * other is copied, and the copy holds references to the same children and value. */
#include "controller/metadata/pmap.h"
#include "base/assert.h"

struct pmap_node {
    struct pmap_node *child[2];
    struct pmap_value *value;
    uint32_t refs; /* parents and roots */
    int32_t height;
};

static int32_t height_of(const struct pmap_node *node) { return node != NULL ? node->height : 0; }

static int32_t balance_of(const struct pmap_node *node) {
    return height_of(node->child[1]) - height_of(node->child[0]);
}

static void height_update(struct pmap_node *node) {
    int32_t left = height_of(node->child[0]), right = height_of(node->child[1]);
    node->height = (left > right ? left : right) + 1;
}

static void value_release(const struct pmap_type *type, struct mem *mem, struct pmap_value *value) {
    ASSERT(value->refs > 0);
    if (--value->refs == 0) type->free(mem, value);
}

void pmap_value_release(const struct pmap *map, struct pmap_value *value) {
    value_release(map->type, map->mem, value);
}

/* Gives up one reference to a tree. The stack holds subtrees still to be given up: at most one
 * sibling a level. */
static void node_release(const struct pmap *map, struct pmap_node *node) {
    struct pmap_node *stack[PMAP_HEIGHT_MAX + 1];
    uint32_t depth = 0;
    while (node != NULL || depth > 0) {
        if (node == NULL) node = stack[--depth];
        ASSERT(node->refs > 0);
        if (--node->refs > 0) {
            node = NULL;
            continue;
        }
        struct pmap_node *left = node->child[0], *right = node->child[1];
        value_release(map->type, map->mem, node->value);
        MEM_FREE(map->mem, node);
        if (left != NULL && right != NULL) {
            ASSERT(depth < PMAP_HEIGHT_MAX + 1);
            stack[depth++] = right;
        }
        node = left != NULL ? left : right;
    }
}

/* The node in *slot, made this map's own. */
static struct pmap_node *node_own(struct pmap *map, struct pmap_node **slot) {
    struct pmap_node *node = *slot;
    if (node->refs == 1) return node;
    struct pmap_node *copy = MEM_NEW(map->mem, struct pmap_node);
    *copy = *node;
    copy->refs = 1;
    copy->value->refs++;
    if (copy->child[0] != NULL) copy->child[0]->refs++;
    if (copy->child[1] != NULL) copy->child[1]->refs++;
    node->refs--; /* others hold it still */
    *slot = copy;
    return copy;
}

/* Lifts the child on `side` of the node in *slot into its place; both nodes are the map's own. */
static void rotate(struct pmap_node **slot, int side) {
    struct pmap_node *down = *slot, *up = down->child[side];
    down->child[side] = up->child[!side];
    up->child[!side] = down;
    height_update(down);
    height_update(up);
    *slot = up;
}

static void rebalance(struct pmap *map, struct pmap_node **slot) {
    struct pmap_node *node = *slot;
    int32_t balance = balance_of(node);
    if (balance >= -1 && balance <= 1) {
        height_update(node);
        return;
    }
    int heavy = balance > 0;
    struct pmap_node *child = node_own(map, &node->child[heavy]);
    int32_t inner = balance_of(child);
    if (heavy ? inner < 0 : inner > 0) { /* heavy on the inside: turn it outwards first */
        (void)node_own(map, &child->child[!heavy]);
        rotate(&node->child[heavy], !heavy);
    }
    rotate(slot, heavy);
}

/* Every slot on the path, the deepest last: they are corrected from there upwards. */
struct path {
    struct pmap_node **slots[PMAP_HEIGHT_MAX + 1];
    uint32_t depth;
};

static void path_push(struct path *path, struct pmap_node **slot) {
    ASSERT(path->depth < PMAP_HEIGHT_MAX + 1);
    path->slots[path->depth++] = slot;
}

static void path_rebalance(struct pmap *map, struct path *path) {
    while (path->depth > 0) rebalance(map, path->slots[--path->depth]);
}

void pmap_init(struct pmap *map, struct mem *mem, const struct pmap_type *type) {
    *map = (struct pmap){.type = type, .mem = mem};
}

void pmap_copy(struct pmap *map, const struct pmap *from) {
    *map = *from;
    if (map->root != NULL) map->root->refs++;
}

void pmap_release(struct pmap *map) {
    if (map->root != NULL) node_release(map, map->root);
    map->root = NULL;
    map->count = 0;
}

struct pmap_value *pmap_get(const struct pmap *map, const void *key) {
    const struct pmap_node *node = map->root;
    while (node != NULL) {
        int order = map->type->compare(key, node->value);
        if (order == 0) return node->value;
        node = node->child[order > 0];
    }
    return NULL;
}

void pmap_put(struct pmap *map, const void *key, struct pmap_value *value) {
    ASSERT(map->type->compare(key, value) == 0);
    struct path path = {.depth = 0};
    struct pmap_node **slot = &map->root;
    while (*slot != NULL) {
        struct pmap_node *node = node_own(map, slot);
        int order = map->type->compare(key, node->value);
        if (order == 0) {
            struct pmap_value *previous = node->value;
            node->value = value;
            pmap_value_release(map, previous);
            return;
        }
        path_push(&path, slot);
        slot = &node->child[order > 0];
    }
    struct pmap_node *leaf = MEM_NEW(map->mem, struct pmap_node);
    *leaf = (struct pmap_node){.value = value, .refs = 1, .height = 1};
    *slot = leaf;
    map->count++;
    path_rebalance(map, &path);
}

bool pmap_remove(struct pmap *map, const void *key) {
    if (pmap_get(map, key) == NULL) return false; /* nothing is copied in vain */
    struct path path = {.depth = 0};
    struct pmap_node **slot = &map->root;
    struct pmap_node *node = node_own(map, slot);
    for (int order; (order = map->type->compare(key, node->value)) != 0;) {
        path_push(&path, slot);
        slot = &node->child[order > 0];
        node = node_own(map, slot);
    }
    struct pmap_value *removed = node->value;
    if (node->child[0] != NULL && node->child[1] != NULL) { /* its successor moves into its place */
        path_push(&path, slot);
        slot = &node->child[1];
        struct pmap_node *successor = node_own(map, slot);
        while (successor->child[0] != NULL) {
            path_push(&path, slot);
            slot = &successor->child[0];
            successor = node_own(map, slot);
        }
        node->value = successor->value;
        node = successor;
    }
    *slot = node->child[0] != NULL ? node->child[0] : node->child[1];
    MEM_FREE(map->mem, node); /* its references to value and child went elsewhere */
    map->count--;
    path_rebalance(map, &path);
    pmap_value_release(map, removed);
    return true;
}

static void iter_push_left(struct pmap_iter *iter, const struct pmap_node *node) {
    for (; node != NULL; node = node->child[0]) {
        ASSERT(iter->depth < PMAP_HEIGHT_MAX);
        iter->path[iter->depth++] = node;
    }
}

void pmap_iter_init(const struct pmap *map, struct pmap_iter *iter) {
    iter->depth = 0;
    iter_push_left(iter, map->root);
}

void pmap_iter_seek(const struct pmap *map, struct pmap_iter *iter, const void *key) {
    iter->depth = 0;
    const struct pmap_node *node = map->root;
    while (node != NULL) {
        bool after = map->type->compare(key, node->value) > 0;
        if (!after) {
            ASSERT(iter->depth < PMAP_HEIGHT_MAX);
            iter->path[iter->depth++] = node;
        }
        node = node->child[after];
    }
}

struct pmap_value *pmap_iter_next(struct pmap_iter *iter) {
    if (iter->depth == 0) return NULL;
    const struct pmap_node *node = iter->path[--iter->depth];
    iter_push_left(iter, node->child[1]);
    return node->value;
}

bool pmap_is_valid(const struct pmap *map,
                   int (*compare_values)(const struct pmap_value *, const struct pmap_value *)) {
    struct pmap_iter iter;
    uint32_t count = 0;
    const struct pmap_value *previous = NULL;
    pmap_iter_init(map, &iter);
    while (iter.depth > 0) {
        const struct pmap_node *node = iter.path[iter.depth - 1];
        int32_t balance = balance_of(node);
        struct pmap_node expected = *node;
        height_update(&expected);
        if (balance < -1 || balance > 1 || expected.height != node->height || node->refs == 0)
            return false;
        const struct pmap_value *value = pmap_iter_next(&iter);
        if (previous != NULL && compare_values(previous, value) >= 0) return false;
        previous = value;
        count++;
    }
    return count == map->count;
}
