/* tests/unit/sim/wal.c - see wal.h. */
#include "tests/unit/sim/wal.h"
#include <string.h>
#include "base/assert.h"
#include "base/bytes.h"
#include "base/job.h"

struct server;

/* A number on its way from a connection to the log and back. */
struct request {
    struct io_message message;
    struct connection *connection;
    struct list link;
    uint64_t number;
};

struct connection {
    struct shard *shard;
    struct io_receiver receiver;
    struct io_op send, close;
    struct iovec iov;
    uint8_t in[8], out[8];
    size_t in_len;
    int fd;
    bool is_sending, waits, is_ended, is_closing;
};

struct shard {
    struct server *server;
    struct io *io;
    struct io_acceptor acceptor;
    struct io_message start;
};

struct server {
    struct wal_options *options;
    struct shard shards[NODE_SHARDS];
    unsigned shard_count;
    struct jobs jobs;
    struct list queue; /* struct request: to be written */
    struct list round; /* being written */
    struct io_op op;
    struct io_disk disk;
    struct iovec iov;
    uint8_t *buffer;
    size_t buffer_bytes;
    uint64_t end_bytes;
    int fd;
    enum { IDLE, WRITING, SYNCING } state;
};

/* --- the log, on shard 0 --- */

static void round_start(struct server *server);
static void round_done(struct io_op *op);

static void answer(struct request *request);
static void answer_delivered(struct io_message *message, struct io *at) {
    (void)at; /* the connection knows its shard */
    answer(CONTAINER_OF(message, struct request, message));
}

static void round_answer(struct server *server) {
    for (struct list *node; (node = list_pop_front(&server->round)) != NULL;) {
        struct request *request = CONTAINER_OF(node, struct request, link);
        request->message.deliver = answer_delivered;
        io_post(server->shards[0].io, request->connection->shard->io->shard, &request->message);
    }
}

static void round_written(struct server *server) {
    struct io *io = server->shards[0].io;
    if (server->options->mistake == WAL_NO_SYNC) {
        round_answer(server);
        server->state = IDLE;
        round_start(server);
        return;
    }
    server->state = SYNCING;
    if (io_sync(io, &server->op, server->fd, 0)) round_done(&server->op);
}

static void round_done(struct io_op *op) {
    struct server *server = CONTAINER_OF(op, struct server, op);
    ASSERT(op->result >= 0);
    if (server->state == WRITING) {
        if (server->options->mistake == WAL_SYNC_TOO_EARLY) {
            round_answer(server);
            server->state = IDLE;
            round_start(server);
            return;
        }
        round_written(server);
        return;
    }
    if (server->options->mistake == WAL_SYNC_TOO_EARLY) {
        server->state = WRITING; /* the sync began before the write */
        struct io *io = server->shards[0].io;
        if (io_write(io, op, server->fd, &server->iov, 1, server->end_bytes - server->iov.iov_len,
                     0, NULL))
            round_done(op);
        return;
    }
    round_answer(server);
    server->state = IDLE;
    round_start(server);
}

static uint64_t check_of(uint64_t number) { return number * 0x9e3779b97f4a7c15u + 1; }

static void round_start(struct server *server) {
    if (server->state != IDLE || list_is_empty(&server->queue)) return;
    struct io *io = server->shards[0].io;
    size_t len = 0;
    while (!list_is_empty(&server->queue) && len + WAL_RECORD_BYTES <= server->buffer_bytes) {
        struct list *node = list_pop_front(&server->queue);
        uint64_t number = CONTAINER_OF(node, struct request, link)->number;
        put_u64(server->buffer + len, number);
        put_u64(server->buffer + len + 8, check_of(number));
        len += WAL_RECORD_BYTES;
        list_push_back(&server->round, node);
    }
    server->iov = (struct iovec){.iov_base = server->buffer, .iov_len = len};
    uint64_t at = server->end_bytes;
    server->end_bytes += len;
    server->op.done = round_done;
    bool finished;
    if (server->options->mistake == WAL_SYNC_TOO_EARLY) {
        server->state = SYNCING;
        finished = io_sync(io, &server->op, server->fd, 0);
    } else {
        server->state = WRITING;
        finished =
            io_write(io, &server->op, server->fd, &server->iov, 1, at, IO_INLINE, &server->disk);
    }
    if (finished) round_done(&server->op);
}

static void queue_delivered(struct io_message *message, struct io *at) {
    (void)at; /* shard 0 */
    struct request *request = CONTAINER_OF(message, struct request, message);
    struct server *server = request->connection->shard->server;
    list_push_back(&server->queue, &request->link);
    round_start(server);
}

/* --- connections, on any shard --- */

static void closed(struct io_op *op) {
    struct connection *c = CONTAINER_OF(op, struct connection, close);
    MEM_FREE(c->shard->io->mem, c);
}

static void connection_end(struct connection *c) {
    if (!c->is_ended || c->waits || c->is_sending || c->is_closing) return;
    c->is_closing = true;
    c->close.done = closed;
    if (io_close(c->shard->io, &c->close, c->fd)) closed(&c->close);
}

static void sent(struct io_op *op) {
    struct connection *c = CONTAINER_OF(op, struct connection, send);
    c->is_sending = false;
    if (!c->is_ended) io_recv_resume(c->shard->io, &c->receiver);
    connection_end(c);
}

static void answer(struct request *request) {
    struct connection *c = request->connection;
    put_u64(c->out, request->number);
    MEM_FREE(c->shard->io->mem, request);
    c->waits = false;
    if (c->is_ended) {
        connection_end(c);
        return;
    }
    c->is_sending = true;
    c->iov = (struct iovec){.iov_base = c->out, .iov_len = 8};
    c->send.done = sent;
    if (io_send(c->shard->io, &c->send, c->fd, &c->iov, 1)) sent(&c->send);
}

/* Clients have one number under way at a time. */
static void on_data(struct io_receiver *receiver, const uint8_t *data, size_t len) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    ASSERT(c->in_len + len <= 8);
    memcpy(c->in + c->in_len, data, len);
    c->in_len += len;
    if (c->in_len < 8) return;
    c->in_len = 0;
    c->waits = true;
    io_recv_pause(c->shard->io, receiver);
    struct request *request = MEM_NEW(c->shard->io->mem, struct request);
    request->connection = c;
    request->number = get_u64(c->in);
    request->message.deliver = queue_delivered;
    io_post(c->shard->io, 0, &request->message);
}

static void on_end(struct io_receiver *receiver, int64_t result) {
    struct connection *c = CONTAINER_OF(receiver, struct connection, receiver);
    (void)result; /* whatever the reason */
    c->is_ended = true;
    connection_end(c);
}

static void on_accept(struct io_acceptor *acceptor, int fd, const struct io_address *peer) {
    struct shard *shard = CONTAINER_OF(acceptor, struct shard, acceptor);
    (void)peer; /* anybody */
    if (fd < 0) return;
    struct connection *c = MEM_NEW(shard->io->mem, struct connection);
    c->shard = shard;
    c->fd = fd;
    c->receiver.on_data = on_data;
    c->receiver.on_end = on_end;
    io_recv_start(shard->io, &c->receiver, fd);
}

/* --- start --- */

static void shard_serve(struct io_message *message, struct io *at) {
    struct shard *shard = CONTAINER_OF(message, struct shard, start);
    struct io_address address = {.family = 4, .port = WAL_PORT}, bound;
    int fd = io_listen(at, &address, 16, &bound);
    ASSERT(fd >= 0);
    shard->acceptor.on_accept = on_accept;
    io_accept_start(at, &shard->acceptor, fd);
    shard->server->options->serves = true;
}

static enum status recover(struct job *job, struct server *server) {
    struct wal_options *options = server->options;
    enum status st = job_open(job, "/wal/log", IO_READ | IO_WRITE | IO_CREATE, 0600, &server->fd);
    if (st != ST_OK) return st;
    if (options->mistake != WAL_NO_DIR_SYNC) {
        st = job_dir_sync(job, "/wal");
        if (st != ST_OK) return st;
    }
    options->recovered_count = 0;
    for (;;) {
        uint8_t record[WAL_RECORD_BYTES];
        st = job_read(job, server->fd, record, sizeof record, server->end_bytes);
        if (st == ST_SHORT) break;
        if (st != ST_OK) return st;
        uint64_t number = get_u64(record);
        if (get_u64(record + 8) != check_of(number)) break; /* the torn tail */
        ASSERT(options->recovered_count < options->capacity);
        options->recovered[options->recovered_count++] = number;
        server->end_bytes += sizeof record;
    }
    st = job_truncate(job, server->fd, server->end_bytes);
    if (st != ST_OK) return st;
    return job_sync(job, server->fd, IO_ALL);
}

static void start_job(struct job *job, void *argument) {
    struct server *server = argument;
    enum status st = job_mkdir(job, "/wal", 0700);
    if (st == ST_EXISTS) st = ST_OK; /* made by a start that crashed before its sync, perhaps */
    if (st == ST_OK && server->options->mistake != WAL_NO_DIR_SYNC) st = job_dir_sync(job, "/");
    if (st == ST_OK) st = recover(job, server);
    ASSERT(st == ST_OK);
    for (unsigned i = 0; i < server->shard_count; i++) {
        server->shards[i].start.deliver = shard_serve;
        io_post(job_io(job), i, &server->shards[i].start);
    }
}

void wal_boot(struct node *node, struct io **ios, unsigned io_count, struct mem *mem,
              void *argument) {
    (void)node; /* the seam is enough */
    struct server *server = MEM_NEW(mem, struct server);
    server->options = argument;
    server->shard_count = io_count;
    server->buffer_bytes = 100 * WAL_RECORD_BYTES;
    server->buffer = mem_need(mem, server->buffer_bytes);
    list_init(&server->queue);
    list_init(&server->round);
    for (unsigned i = 0; i < io_count; i++)
        server->shards[i] = (struct shard){.server = server, .io = ios[i]};
    jobs_init(&server->jobs, ios[0], 4);
    job_start(&server->jobs, start_job, server);
}
