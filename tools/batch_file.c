/* tools/batch_file.c - see batch_file.h. */
#include "tools/batch_file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/legacy_message.h"

__attribute__((format(printf, 3, 4))) static enum status
fail(struct batch_file *file, enum status st, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(file->why, sizeof file->why, format, args);
    va_end(args);
    return st;
}

enum status read_at(int fd, void *buf, size_t len, uint64_t offset) {
    uint8_t *at = buf;
    while (len > 0) {
        ssize_t got = pread(fd, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return status_from_errno(-errno);
        if (got == 0) return ST_SHORT;
        at += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return ST_OK;
}

enum status batch_file_open(struct batch_file *file, struct mem *mem, const char *path,
                            uint64_t limit_bytes) {
    *file = (struct batch_file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (file->fd < 0) return fail(file, status_from_errno(-errno), "%s", strerror(errno));
    struct stat about;
    if (fstat(file->fd, &about) < 0 || !S_ISREG(about.st_mode)) {
        (void)close(file->fd);
        file->fd = -1;
        return fail(file, ST_IO, "not a regular file");
    }
    file->end_bytes = MIN((uint64_t)about.st_size, limit_bytes);
    octets_init(&file->buffer, mem);
    return ST_OK;
}

void batch_file_close(struct batch_file *file) {
    if (file->fd < 0) return;
    (void)close(file->fd); /* opened for reading only */
    file->fd = -1;
    octets_release(&file->buffer);
}

static enum status read_buffer(struct batch_file *file, size_t len) {
    file->buffer.len = 0;
    enum status st = octets_reserve(&file->buffer, len);
    if (st != ST_OK) return fail(file, st, "no memory for a batch of %zu octets", len);
    st = read_at(file->fd, file->buffer.data, len, file->position);
    if (st != ST_OK)
        return fail(file, st, "cannot be read at %" PRIu64 ": %s", file->position, status_name(st));
    file->buffer.len = len;
    return ST_OK;
}

/* Reads the header and checks that the file holds the whole batch. */
static enum status peek(struct batch_file *file, struct batch_view *ret_view) {
    uint64_t left = file->end_bytes - file->position;
    if (left <= BATCH_MAGIC_END) return ST_RANGE;
    size_t header_bytes = (size_t)MIN(left, (uint64_t)BATCH_HEADER_BYTES);
    enum status st = read_buffer(file, header_bytes);
    if (st != ST_OK) return st;
    int32_t length = (int32_t)get_u32(file->buffer.data + BATCH_AT_LENGTH);
    if (length < BATCH_LEGACY_LENGTH_MIN)
        return fail(file, ST_CORRUPT,
                    "Found record size %" PRId32 " smaller than minimum record overhead (%d)",
                    length, BATCH_LEGACY_LENGTH_MIN);
    if ((uint64_t)length + BATCH_OVERHEAD_BYTES > left) return ST_RANGE;
    st = batch_peek(octets_bytes(&file->buffer), ret_view);
    if (st == ST_UNSUPPORTED) st = legacy_peek(octets_bytes(&file->buffer), ret_view);
    if (st != ST_OK) return fail(file, ST_CORRUPT, "no batch at %" PRIu64, file->position);
    return ST_OK;
}

enum status batch_file_next_header(struct batch_file *file, struct batch_view *ret_view) {
    enum status st = peek(file, ret_view);
    if (st == ST_OK) file->position += ret_view->batch_bytes;
    return st;
}

enum status batch_file_next(struct batch_file *file, struct batch_view *ret_view) {
    enum status st = peek(file, ret_view);
    if (st == ST_OK) st = read_buffer(file, ret_view->batch_bytes);
    if (st != ST_OK) return st;
    if (ret_view->magic == BATCH_MAGIC) {
        st = batch_open(octets_bytes(&file->buffer), ret_view);
        if (st != ST_OK) return fail(file, ST_CORRUPT, "no batch at %" PRIu64, file->position);
    }
    file->position += ret_view->batch_bytes;
    return ST_OK;
}
