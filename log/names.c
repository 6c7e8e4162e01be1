/* log/names.c - file names written and read. */
#include "log/names.h"
#include <inttypes.h>
#include <stdio.h>
#include "base/assert.h"

static const struct str extensions[PART_COUNT] = {
    [PART_LOG] = {".log", 4},
    [PART_INDEX] = {".index", 6},
    [PART_TIME_INDEX] = {".timeindex", 10},
    [PART_TXN_INDEX] = {".txnindex", 9},
    [PART_SNAPSHOT] = {".snapshot", 9},
    [PART_HOLES] = {".holes", 6},
};
enum { OFFSET_DIGITS = 20 };

void log_path_of_part(struct log_path *path, const char *dir, int64_t base_offset,
                      enum segment_part part, const char *suffix) {
    int n = snprintf(path->text, sizeof path->text, "%s/%020" PRId64 "%s%s", dir, base_offset,
                     extensions[part].ptr, suffix);
    ASSERT(n > 0 && (size_t)n < sizeof path->text); /* log_open refused a longer directory */
}

void log_path_of_name(struct log_path *path, const char *dir, const char *name,
                      const char *suffix) {
    int n = snprintf(path->text, sizeof path->text, "%s/%s%s", dir, name, suffix);
    ASSERT(n > 0 && (size_t)n < sizeof path->text);
}

bool part_name_parse(struct str name, struct part_name *ret_name) {
    if (name.len < OFFSET_DIGITS) return false;
    for (size_t i = 0; i < OFFSET_DIGITS; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9') return false;
    }
    struct part_name found = {0};
    if (!str_to_int64((struct str){name.ptr, OFFSET_DIGITS}, &found.base_offset)) return false;
    struct str rest = {name.ptr + OFFSET_DIGITS, name.len - OFFSET_DIGITS};
    for (int part = 0; part < PART_COUNT; part++) {
        struct str extension = extensions[part];
        if (rest.len < extension.len || memcmp(rest.ptr, extension.ptr, extension.len) != 0)
            continue;
        found.part = (enum segment_part)part;
        found.suffix = (struct str){rest.ptr + extension.len, rest.len - extension.len};
        if (found.suffix.len > 0 && found.suffix.ptr[0] != '.') continue;
        *ret_name = found;
        return true;
    }
    return false;
}

bool partition_name_parse(struct str name, struct str *ret_topic, int32_t *ret_partition) {
    size_t dash = name.len;
    while (dash > 0 && name.ptr[dash - 1] != '-') dash--;
    if (dash < 2 || dash == name.len) return false;
    struct str digits = {name.ptr + dash, name.len - dash};
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') return false;
    }
    int64_t partition = 0;
    if (!str_to_int64(digits, &partition) || partition > INT32_MAX) return false;
    *ret_topic = (struct str){name.ptr, dash - 1};
    *ret_partition = (int32_t)partition;
    return true;
}
