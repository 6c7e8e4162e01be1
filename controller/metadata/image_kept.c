/* controller/metadata/image_kept.c - records that are kept and not obeyed: of each key the last one
 * counts, and one that removes takes it away. The key of a SCRAM credential or a
 * delegation token is the record that would remove it; of a quota it is its own record with the
 * entity in order and no value. Nothing of them is ever logged: credentials are secrets.
 * Source: org.apache.kafka.image.{ClientQuotasDelta, ScramDelta, DelegationTokenDelta}. */
#include <stdlib.h>
#include "controller/metadata/image_builder.h"
#include "controller/metadata/metadata_record.h"

bool is_kept(uint32_t type) {
    switch (type) {
    case CLIENT_QUOTA_RECORD:
    case USER_SCRAM_CREDENTIAL_RECORD:
    case REMOVE_USER_SCRAM_CREDENTIAL_RECORD:
    case DELEGATION_TOKEN_RECORD:
    case REMOVE_DELEGATION_TOKEN_RECORD: return true;
    default: return false;
    }
}

static int compare_entities(const void *a, const void *b) {
    const struct client_quota_record_entity_data *x = a, *y = b;
    return str_cmp(x->entity_type, y->entity_type); /* one of a type */
}

static enum status quota_key(struct image_builder *b, const struct client_quota_record *record,
                             struct bytes *ret_key) {
    struct client_quota_record key = *record;
    size_t count = (size_t)record->entity_count;
    key.entity = arena_array(b->arena, count, sizeof *key.entity);
    if (key.entity == NULL) return ST_NOMEM;
    if (count > 0) memcpy(key.entity, record->entity, count * sizeof *key.entity);
    qsort(key.entity, count, sizeof *key.entity, compare_entities);
    key.value = 0;
    key.remove = false;
    return metadata_record_encode(&client_quota_record_schema, 0, &key, b->arena, ret_key);
}

static enum status scram_key(struct image_builder *b, struct str name, int8_t mechanism,
                             struct bytes *ret_key) {
    struct remove_user_scram_credential_record key;
    remove_user_scram_credential_record_defaults(&key);
    key.name = name;
    key.mechanism = mechanism;
    return metadata_record_encode(&remove_user_scram_credential_record_schema, 0, &key, b->arena,
                                  ret_key);
}

static enum status token_key(struct image_builder *b, struct str token_id, struct bytes *ret_key) {
    struct remove_delegation_token_record key;
    remove_delegation_token_record_defaults(&key);
    key.token_id = token_id;
    return metadata_record_encode(&remove_delegation_token_record_schema, 0, &key, b->arena,
                                  ret_key);
}

static enum status put(struct image_builder *b, struct kept_image kept, bool is_removal) {
    if (is_removal) {
        (void)pmap_remove(&b->next->kept, &kept); /* what is not there need not go */
        return ST_OK;
    }
    struct kept_object *object = kept_object_new(b->next->mem, &kept);
    if (object == NULL) return ST_NOMEM;
    pmap_put(&b->next->kept, &object->kept, &object->head);
    return ST_OK;
}

enum status apply_kept(struct image_builder *b, uint32_t type, struct bytes value,
                       const void *decoded) {
    struct kept_image kept = {.type = type, .value = value};
    bool is_removal = false;
    enum status st = ST_OK;
    if (type == CLIENT_QUOTA_RECORD) {
        const struct client_quota_record *quota = decoded;
        is_removal = quota->remove;
        st = quota_key(b, quota, &kept.key);
    } else if (type == USER_SCRAM_CREDENTIAL_RECORD) {
        const struct user_scram_credential_record *scram = decoded;
        st = scram_key(b, scram->name, scram->mechanism, &kept.key);
    } else if (type == REMOVE_USER_SCRAM_CREDENTIAL_RECORD) {
        const struct remove_user_scram_credential_record *scram = decoded;
        is_removal = true;
        kept.type = USER_SCRAM_CREDENTIAL_RECORD;
        st = scram_key(b, scram->name, scram->mechanism, &kept.key);
    } else if (type == DELEGATION_TOKEN_RECORD) {
        const struct delegation_token_record *token = decoded;
        st = token_key(b, token->token_id, &kept.key);
    } else {
        const struct remove_delegation_token_record *token = decoded;
        is_removal = true;
        kept.type = DELEGATION_TOKEN_RECORD;
        st = token_key(b, token->token_id, &kept.key);
    }
    return st == ST_OK ? put(b, kept, is_removal) : st;
}
