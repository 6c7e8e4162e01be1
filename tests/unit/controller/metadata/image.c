/* tests/unit/controller/metadata/image.c - images from metadata logs of Apache Kafka, and from
 * records of our own. */
#include "golden.h"
#include "base/prng.h"
#include "base/strbuf.h"
#include "controller/metadata/metadata_record.h"
#include <criterion/criterion.h>
#include <stdio.h>

static struct mem mem;
static struct arena arena;

static void setup(void) { arena_init(&arena, &mem, 1 << 20, 0); }
static void teardown(void) {
    arena_release(&arena);
    cr_expect_eq(mem.used_bytes, 0, "%zu octets are left", mem.used_bytes);
}
TestSuite(image, .init = setup, .fini = teardown);

static struct image *golden_log(int64_t end_offset) {
    return golden_apply(image_new(&mem), golden_file(&arena, "metadata/00000000000000000000.log"),
                        end_offset, &arena);
}

Test(image, of_a_kafka_log_holds_what_was_done_there) {
    struct image *image = golden_log(INT64_MAX);
    cr_expect_eq(image_topic_count(image), 3, "beta, gamma, delta.x; got %u",
                 image_topic_count(image));
    cr_expect_eq(image_partition_count(image), 7, "got %llu",
                 (unsigned long long)image_partition_count(image));
    cr_expect_null(image_topic_by_name(image, STR("alpha")), "deleted");
    const struct topic_image *beta = image_topic_by_name(image, STR("beta"));
    cr_assert_not_null(beta);
    cr_expect_eq(beta->partition_count, 4, "grown from 2");
    cr_expect_eq(image_topic_by_id(image, beta->id), beta);
    cr_expect_eq(beta->partitions[3].leader, 1);
    cr_expect_eq(beta->partitions[3].replica_count, 1);
    cr_expect_eq(beta->partitions[3].isr_count, 1);
    const struct broker_image *broker = image_broker(image, 1);
    cr_assert_not_null(broker);
    cr_expect(!broker->fenced);
    cr_expect_eq(broker->endpoints[0].port, 31692);
    cr_expect(uuid_eq(broker->directories[0], beta->partitions[0].directories[0]));
    cr_expect_eq(image_feature(image, STR("metadata.version")), 30);
    cr_expect_eq(image_feature(image, STR("transaction.version")), 2);
    cr_expect_eq(image_feature(image, STR("kraft.version")), 0);
    cr_expect_eq(image_next_producer_id(image), 1000);
    struct str value = image_config_value(image, CONFIG_TOPIC, STR("gamma"), STR("segment.bytes"));
    cr_expect(str_eq(value, STR("10000000")), "got %.*s", STR_ARG(value));
    value = image_config_value(image, CONFIG_TOPIC, STR("gamma"), STR("retention.ms"));
    cr_expect_null(value.ptr, "taken away again; got %.*s", STR_ARG(value));
    value = image_config_value(image, CONFIG_BROKER, STR(""), STR("min.insync.replicas"));
    cr_expect(str_eq(value, STR("1")), "got %.*s", STR_ARG(value));
    cr_expect_null(image_config(image, CONFIG_TOPIC, STR("alpha")), "went with its topic");
    cr_expect_null(image_problem(image, 1, &arena).ptr);
    cr_expect_not_null(image_problem(image, 2, &arena).ptr, "all replicas are on node 1");
    image_free(image);
}

/* Lines of a that are not in b. */
static void lines_missing(struct str a, struct str b, struct strbuf *out) {
    while (a.len > 0) {
        const char *end = memchr(a.ptr, '\n', a.len);
        struct str line = {a.ptr, (size_t)(end - a.ptr) + 1};
        a = (struct str){a.ptr + line.len, a.len - line.len};
        if (memmem(b.ptr, b.len, line.ptr, line.len) == NULL) strbuf_add_str(out, line);
    }
}

Test(image, of_a_log_equals_that_of_kafkas_snapshot_of_it) {
    struct image *log = golden_log(95);
    struct bytes file = golden_file(&arena, "metadata/00000000000000000095-0000000003.checkpoint");
    struct image *snapshot = golden_apply(image_new(&mem), file, INT64_MAX, &arena);
    struct strbuf diff;
    strbuf_init(&diff, &mem);
    lines_missing(golden_text(log, &arena), golden_text(snapshot, &arena), &diff);
    cr_expect_eq(diff.len, 0, "only from the log:\n%s", strbuf_str(&diff).ptr);
    strbuf_clear(&diff);
    lines_missing(golden_text(snapshot, &arena), golden_text(log, &arena), &diff);
    /* Kafka's snapshot keeps the settings of a topic that was deleted. */
    int alpha = 0;
    for (const char *at = strbuf_str(&diff).ptr; (at = strstr(at, "\"alpha\"")) != NULL; at++)
        alpha++;
    int lines = 0;
    for (const char *at = strbuf_str(&diff).ptr; (at = strchr(at, '\n')) != NULL; at++) lines++;
    cr_expect_eq(alpha, 3);
    cr_expect_eq(lines, 3, "only from the snapshot:\n%s", strbuf_str(&diff).ptr);
    strbuf_release(&diff);
    image_free(log);
    image_free(snapshot);
}

struct gathered {
    struct bytes values[4096];
    uint32_t count;
};
static enum status gather(void *context, struct bytes value) {
    struct gathered *gathered = context;
    gathered->values[gathered->count++] = value;
    return ST_OK;
}

Test(image, written_and_applied_again_is_the_same) {
    for (int64_t end = 3; end < 100; end += 4) {
        struct image *image = golden_log(end);
        struct gathered *gathered = ARENA_NEW(&arena, struct gathered);
        cr_assert_eq(image_write(image, &arena, gather, gathered), ST_OK);
        struct image *empty = image_new(&mem), *again;
        struct image_delta delta;
        cr_assert_eq(
            image_apply(empty, gathered->values, gathered->count, end, 1, &arena, &again, &delta),
            ST_OK, "end %lld: %.*s", (long long)end, STR_ARG(delta.problem));
        struct str before = golden_text(image, &arena), after = golden_text(again, &arena);
        cr_expect(str_eq(before, after), "end %lld:\n%s\n---\n%s", (long long)end, before.ptr,
                  after.ptr);
        image_free(empty);
        image_free(again);
        image_free(image);
        arena_reset(&arena);
    }
}

Test(image, an_old_one_stands_while_newer_ones_are_made) {
    struct image *old = golden_log(40);
    struct str before = golden_text(old, &arena);
    struct remove_topic_record removal;
    remove_topic_record_defaults(&removal);
    removal.topic_id = image_topic_by_name(old, STR("gamma"))->id;
    struct bytes value;
    cr_assert_eq(metadata_record_encode(&remove_topic_record_schema, 0, &removal, &arena, &value),
                 ST_OK);
    struct image *next;
    struct image_delta delta;
    cr_assert_eq(image_apply(old, &value, 1, 100, 2, &arena, &next, &delta), ST_OK);
    cr_expect_eq(delta.topics_deleted_count, 1);
    cr_expect_eq(delta.topics_deleted[0], image_topic_by_name(old, STR("gamma")));
    cr_expect_null(image_topic_by_name(next, STR("gamma")));
    cr_expect_eq(image_offset(next), 100);
    cr_expect_eq(image_epoch(next), 2);
    cr_expect(str_eq(before, golden_text(old, &arena)));
    image_free(next);
    cr_expect(str_eq(before, golden_text(old, &arena)));
    image_free(old);
}

/* The image with one more topic, or with that topic gone. */
static struct image *with_topic(struct image *old, const char *name, uint8_t id, bool is_removed) {
    struct topic_record made;
    struct remove_topic_record removal;
    struct bytes value;
    enum status st;
    if (is_removed) {
        remove_topic_record_defaults(&removal);
        removal.topic_id = (struct uuid){{id}};
        st = metadata_record_encode(&remove_topic_record_schema, 0, &removal, &arena, &value);
    } else {
        topic_record_defaults(&made);
        made.name = str_of(name);
        made.topic_id = (struct uuid){{id}};
        st = metadata_record_encode(&topic_record_schema, 0, &made, &arena, &value);
    }
    cr_assert_eq(st, ST_OK);
    struct image *next;
    struct image_delta delta;
    int64_t offset = image_offset(old) + 1;
    cr_assert_eq(image_apply(old, &value, 1, offset, 2, &arena, &next, &delta), ST_OK);
    image_free(old);
    return next;
}

static void expect_like(const struct image *image, const char *name, const char *want) {
    const struct topic_image *found = image_topic_like(image, str_of(name));
    if (want == NULL) {
        cr_expect_null(found, "%s is like nothing", name);
    } else {
        cr_expect(found != NULL && str_eq(found->name, str_of(want)), "%s is like %s", name, want);
    }
}

Test(image, finds_a_topic_that_would_be_the_same_in_a_metric) {
    struct image *image = golden_log(40);
    image = with_topic(image, "a_b.c", 1, false);
    image = with_topic(image, "a-b", 2, false);
    image = with_topic(image, "ab", 3, false);
    static const char *const same[] = {"a_b.c", "a.b.c", "a.b_c", "a_b_c"};
    for (size_t i = 0; i < COUNT(same); i++) expect_like(image, same[i], "a_b.c");
    static const char *const others[] = {"a_b", "a_b_c_", "a-b.c", "A.b.c", "ab", "a-b", "a.b-c"};
    for (size_t i = 0; i < COUNT(others); i++) expect_like(image, others[i], NULL);
    image = with_topic(image, "a.b_c", 4, false); /* Kafka's older versions let it in */
    for (size_t i = 0; i < COUNT(same); i++) expect_like(image, same[i], "a.b_c");
    image = with_topic(image, NULL, 4, true);
    expect_like(image, "a.b.c", "a_b.c");
    image = with_topic(image, NULL, 1, true);
    expect_like(image, "a.b.c", NULL);
    image_free(image);
}

static void encode(struct gathered *to, const struct schema *schema, const void *message) {
    struct bytes *value = &to->values[to->count++];
    cr_assert_eq(metadata_record_encode(schema, 0, message, &arena, value), ST_OK);
}

static void encode_quota(struct gathered *to, struct str first, struct str second, double limit,
                         bool remove) {
    struct client_quota_record_entity_data entity[2];
    for (int i = 0; i < 2; i++) client_quota_record_entity_data_defaults(&entity[i]);
    entity[0].entity_type = first;
    entity[1].entity_type = second;
    entity[0].entity_name = entity[1].entity_name = STR("x");
    struct client_quota_record quota;
    client_quota_record_defaults(&quota);
    quota.entity = entity;
    quota.entity_count = 2;
    quota.key = STR("producer_byte_rate");
    quota.value = limit;
    quota.remove = remove;
    encode(to, &client_quota_record_schema, &quota);
}

static struct image *apply_all(struct image *old, const struct gathered *records) {
    struct image *next;
    struct image_delta delta;
    cr_assert_eq(
        image_apply(old, records->values, records->count, 1, 1, &arena, &next, &delta), ST_OK,
        "%.*s", STR_ARG(delta.problem));
    image_free(old);
    return next;
}

Test(image, keeps_quotas_credentials_and_tokens_as_they_were_until_they_are_removed) {
    struct gathered *records = ARENA_NEW(&arena, struct gathered);
    struct user_scram_credential_record scram;
    user_scram_credential_record_defaults(&scram);
    scram.name = STR("alice");
    scram.mechanism = 1;
    scram.iterations = 4096;
    struct delegation_token_record token;
    delegation_token_record_defaults(&token);
    token.token_id = STR("t1");
    encode(records, &user_scram_credential_record_schema, &scram);
    encode(records, &delegation_token_record_schema, &token);
    encode_quota(records, STR("user"), STR("client-id"), 10, false);
    encode_quota(records, STR("client-id"), STR("user"), 20, false); /* the same entity */
    scram.mechanism = 2;
    encode(records, &user_scram_credential_record_schema, &scram);
    struct image *image = apply_all(image_new(&mem), records);
    struct gathered *written = ARENA_NEW(&arena, struct gathered);
    cr_assert_eq(image_write(image, &arena, gather, written), ST_OK);
    static const int order[] = {3, 0, 4, 1}; /* as Kafka writes a snapshot */
    cr_assert_eq(written->count, COUNT(order));
    for (size_t i = 0; i < COUNT(order); i++) {
        struct bytes want = records->values[order[i]], got = written->values[i];
        cr_expect(want.len == got.len && memcmp(want.ptr, got.ptr, want.len) == 0, "record %zu", i);
    }
    records->count = written->count = 0;
    struct remove_user_scram_credential_record scram_gone;
    remove_user_scram_credential_record_defaults(&scram_gone);
    scram_gone.name = STR("alice");
    scram_gone.mechanism = 1;
    struct remove_delegation_token_record token_gone;
    remove_delegation_token_record_defaults(&token_gone);
    token_gone.token_id = STR("t1");
    encode(records, &remove_user_scram_credential_record_schema, &scram_gone);
    encode(records, &remove_user_scram_credential_record_schema, &scram_gone); /* not there */
    encode(records, &remove_delegation_token_record_schema, &token_gone);
    encode_quota(records, STR("user"), STR("client-id"), 0, true);
    image = apply_all(image, records);
    cr_assert_eq(image_write(image, &arena, gather, written), ST_OK);
    cr_expect_eq(written->count, 1, "the other mechanism's credential stays");
    image_free(image);
}

/* A record in hexadecimal against an image that knows broker 1 (epoch 34) and topic gamma. */
static const struct {
    const char *name;
    const char *hex;
    enum status want;
    const char *problem;
} refusals[] = {
    {"empty", "", ST_CORRUPT, "no metadata record"},
    {"frame version 0", "0002", ST_CORRUPT, "no metadata record"},
    {"frame version 2", "020200", ST_UNSUPPORTED, "no metadata record"},
    {"cut in the frame", "01", ST_CORRUPT, "no metadata record"},
    {"unknown type 6", "010600", ST_UNSUPPORTED, "unknown type 6"},
    {"type of 32 bits", "01ffffffff0f00", ST_CORRUPT, "no metadata record"},
    {"NoOp version 1", "011401", ST_UNSUPPORTED, "NoOpRecord version 1"},
    {"cut NoOp", "011400", ST_CORRUPT, "NoOpRecord version 0"},
    {"an octet after NoOp", "0114000000", ST_CORRUPT, "NoOpRecord version 0"},
    {"ACL", "0112000000000000000000000000000000000000", ST_UNSUPPORTED, "AccessControlEntryRecord"},
    {"ACL removed", "01130000000000000000000000000000000000", ST_UNSUPPORTED,
     "RemoveAccessControlEntryRecord"},
    {"SCRAM, cut", "010b00", ST_CORRUPT, "UserScramCredentialRecord"},
    {"SCRAM removed, cut", "011600", ST_CORRUPT, "RemoveUserScramCredentialRecord"},
    {"token, cut", "010a00", ST_CORRUPT, "DelegationTokenRecord"},
    {"token removed, cut", "011a00", ST_CORRUPT, "RemoveDelegationTokenRecord"},
    {"quota, cut", "010e00", ST_CORRUPT, "ClientQuotaRecord"},
    {"abort without begin", "0119000000", ST_CORRUPT, "AbortTransactionRecord"},
    {"migrating from ZooKeeper", "0115000200", ST_UNSUPPORTED, "ZooKeeper is in state 2"},
    {"feature above ours", "010c000e67726f75702e76657273696f6e000200", ST_UNSUPPORTED,
     "group.version is finalized at 2; 0 to 1"},
    {"feature nobody knows", "010c00036e6f000100", ST_UNSUPPORTED, "feature no is finalized at 1"},
    {"metadata.version 31", "010c00116d657461646174612e76657273696f6e001f00", ST_UNSUPPORTED,
     "metadata.version is finalized at 31; 7 to 30"},
    {"metadata.version 6", "010c00116d657461646174612e76657273696f6e000600", ST_UNSUPPORTED,
     "metadata.version is finalized at 6"},
    {"topic id that does not exist", "0109000000000000000000000000000000000700", ST_CORRUPT,
     "which does not exist"},
    {"broker that is not registered", "01070000000009000000000000000000", ST_CORRUPT,
     "broker 9, which is not registered"},
    {"broker of another epoch", "01070000000001000000000000000000", ST_CORRUPT, "epoch 0"},
    {"elr of no topic",
     "011c0005"
     "6e6f6e6500",
     ST_CORRUPT, "topic none, which does not exist"},
    {"producer ids going back", "010f00000000010000000000000000000000000000000a00", ST_CORRUPT,
     "goes back from 1000 to 10"},
};

static struct bytes unhex(const char *hex) {
    size_t len = strlen(hex) / 2;
    uint8_t *out = arena_alloc(&arena, len);
    for (size_t i = 0; i < len; i++) {
        unsigned octet;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &octet), 1);
        out[i] = (uint8_t)octet;
    }
    return (struct bytes){out, len};
}

Test(image, refuses_what_it_does_not_obey_and_what_contradicts_it) {
    struct image *image = golden_log(INT64_MAX);
    struct str before = golden_text(image, &arena);
    size_t used = mem.used_bytes;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        struct bytes values[2] = {unhex("01140000"), unhex(refusals[i].hex)};
        struct image *next = NULL;
        struct image_delta delta;
        enum status st = image_apply(image, values, 2, 1000, 9, &arena, &next, &delta);
        cr_expect_eq(st, refusals[i].want, "%s: got %s", refusals[i].name, status_name(st));
        cr_expect_not_null(
            strstr(delta.problem.ptr != NULL ? delta.problem.ptr : "", refusals[i].problem),
            "%s: says %.*s", refusals[i].name, STR_ARG(delta.problem));
        cr_expect_null(next, "%s", refusals[i].name);
    }
    cr_expect(str_eq(before, golden_text(image, &arena)));
    cr_expect_geq(mem.used_bytes, used, "only the arena may have grown");
    image_free(image);
}

/* --- hostile records --- */

struct mutation {
    struct image *image;
    struct prng prng;
    uint32_t applied, refused;
};

static void mutate_and_apply(struct mutation *m, struct bytes value) {
    struct arena own;
    arena_init(&own, &mem, 1 << 16, 16 << 20);
    uint8_t *bad = (uint8_t *)(uintptr_t)arena_bytes(&own, value).ptr;
    size_t len = value.len;
    for (uint64_t flips = 1 + prng_below(&m->prng, 3); flips > 0; flips--) {
        bad[prng_below(&m->prng, len)] = (uint8_t)prng_next(&m->prng);
    }
    if (prng_chance(&m->prng, 1, 4)) len = prng_below(&m->prng, len + 1);
    struct bytes values[2] = {{bad, len}, value};
    struct image *next = NULL;
    struct image_delta delta;
    enum status st = image_apply(m->image, values, 2, 500, 9, &own, &next, &delta);
    if (st == ST_OK) {
        m->applied++;
        image_free(next);
    } else {
        m->refused++;
        cr_expect_null(next);
        cr_expect(st == ST_NOMEM || delta.problem.ptr != NULL, "%s without a word",
                  status_name(st));
    }
    arena_release(&own);
}

Test(image, stands_whatever_a_record_holds) {
    struct mutation m = {.image = golden_log(INT64_MAX)};
    struct str before = golden_text(m.image, &arena);
    struct gathered *gathered = ARENA_NEW(&arena, struct gathered);
    struct image *early = golden_log(40);
    cr_assert_eq(image_write(early, &arena, gather, gathered), ST_OK);
    cr_assert_eq(image_write(m.image, &arena, gather, gathered), ST_OK);
    prng_seed(&m.prng, 11);
    for (int round = 0; round < 400; round++) {
        for (uint32_t i = 0; i < gathered->count; i++) mutate_and_apply(&m, gathered->values[i]);
    }
    cr_expect_gt(m.applied, 100, "got %u", m.applied);
    cr_expect_gt(m.refused, 1000, "got %u", m.refused);
    cr_expect(str_eq(before, golden_text(m.image, &arena)));
    image_free(early);
    image_free(m.image);
}
