/* broker/config/contradictions.c - see contradictions.h. */
#include "broker/config/contradictions.h"
#include "broker/config/cordon.h"
#include "broker/config/ip_limits.h"

static const struct settings_problem NO_PROBLEM;

/* The key that gives the named one its value: itself, or what stands in for it. */
static const struct config_key *origin(const struct broker_settings *settings, struct str name) {
    const struct config_key *key = config_key_find(name), *at = key;
    while (at != NULL && setting_get(settings, at).value.ptr == NULL)
        at = at->otherwise != NULL ? config_key_find(str_of(at->otherwise)) : NULL;
    return at != NULL ? at : key;
}

/* other: what the key contradicts; NULL: nothing else. */
static struct settings_problem problem_of(const struct broker_settings *settings, struct str text,
                                          struct str name, const struct config_key *other) {
    return (struct settings_problem){text, {origin(settings, name), other}};
}

/* --- numbers on their own --- */

static struct settings_problem number_problem(const struct broker_settings *settings,
                                              struct arena *arena) {
    static const struct {
        const char *key, *rule;
        int64_t min;
        bool may_be_unlimited;
    } rules[] = {
        {"log.roll.ms", "must be greater than or equal to 1", 1, false},
        {"log.roll.jitter.ms", "must be greater than or equal to 0", 0, false},
        {"log.retention.ms", "must be unlimited (-1) or, greater than or equal to 1", 1, true},
    };
    for (size_t i = 0; i < COUNT(rules); i++) {
        int64_t value = setting_number(settings, str_of(rules[i].key));
        if (value >= rules[i].min || (rules[i].may_be_unlimited && value < 0)) continue;
        struct str text =
            arena_printf(arena, "requirement failed: %s %s", rules[i].key, rules[i].rule);
        return problem_of(settings, text, str_of(rules[i].key), NULL);
    }
    return NO_PROBLEM;
}

/* --- one number beside another --- */

enum relation { AT_LEAST, AT_MOST, LESS };

static bool holds(int64_t a, enum relation relation, int64_t b) {
    switch (relation) {
    case AT_LEAST: return a >= b;
    case AT_MOST: return a <= b;
    case LESS: return a < b;
    }
    return false;
}

/* In Kafka's words. */
static struct settings_problem order_problem(const struct broker_settings *settings, struct str a,
                                             enum relation relation, struct str b,
                                             struct arena *arena) {
    static const char *const words[] = {
        [AT_LEAST] = "greater than or equal to",
        [AT_MOST] = "less than or equal to",
        [LESS] = "less than",
    };
    if (holds(setting_number(settings, a), relation, setting_number(settings, b)))
        return NO_PROBLEM;
    struct str text =
        arena_printf(arena, "%.*s must be %s %.*s", STR_ARG(a), words[relation], STR_ARG(b));
    return problem_of(settings, text, a, origin(settings, b));
}

/* A key of a kind of groups between its bounds. Kafka names the smaller one first where the upper
 * bound is broken. */
static struct settings_problem bounds_problem(const struct broker_settings *settings,
                                              const char *kind, const char *name,
                                              struct arena *arena) {
    struct str key = arena_printf(arena, "group.%s.%s", kind, name);
    struct str min = arena_printf(arena, "group.%s.min.%s", kind, name);
    struct str max = arena_printf(arena, "group.%s.max.%s", kind, name);
    struct settings_problem problem = order_problem(settings, max, AT_LEAST, min, arena);
    if (problem.text.ptr == NULL) problem = order_problem(settings, key, AT_LEAST, min, arena);
    if (problem.text.ptr == NULL) problem = order_problem(settings, key, AT_MOST, max, arena);
    return problem;
}

static struct settings_problem groups_problem(const struct broker_settings *settings,
                                              struct arena *arena) {
    static const char *const kinds[] = {"consumer", "share", "streams"};
    static const char *const names[] = {"heartbeat.interval.ms", "session.timeout.ms",
                                        "assignment.interval.ms"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        for (size_t k = 0; k < COUNT(names); k++) {
            struct settings_problem problem = bounds_problem(settings, kinds[i], names[k], arena);
            if (problem.text.ptr != NULL) return problem;
        }
        struct settings_problem problem =
            order_problem(settings, arena_printf(arena, "group.%s.%s", kinds[i], names[0]), LESS,
                          arena_printf(arena, "group.%s.%s", kinds[i], names[1]), arena);
        if (problem.text.ptr != NULL) return problem;
    }
    return NO_PROBLEM;
}

static struct settings_problem pairs_problem(const struct broker_settings *settings,
                                             struct arena *arena) {
    static const struct {
        const char *a;
        enum relation relation;
        const char *b;
    } rules[] = {
        {"group.share.max.record.lock.duration.ms", AT_LEAST,
         "group.share.record.lock.duration.ms"},
        {"group.share.record.lock.duration.ms", AT_LEAST,
         "group.share.min.record.lock.duration.ms"},
        {"group.share.max.delivery.count.limit", AT_LEAST, "group.share.delivery.count.limit"},
        {"group.share.delivery.count.limit", AT_LEAST, "group.share.min.delivery.count.limit"},
        {"group.share.max.partition.max.record.locks", AT_LEAST,
         "group.share.partition.max.record.locks"},
        {"group.share.partition.max.record.locks", AT_LEAST,
         "group.share.min.partition.max.record.locks"},
        {"group.share.max.share.sessions", AT_LEAST, "group.share.max.size"},
        {"group.streams.num.standby.replicas", AT_MOST, "group.streams.max.standby.replicas"},
    };
    for (size_t i = 0; i < COUNT(rules); i++) {
        struct settings_problem problem = order_problem(
            settings, str_of(rules[i].a), rules[i].relation, str_of(rules[i].b), arena);
        if (problem.text.ptr != NULL) return problem;
    }
    return NO_PROBLEM;
}

/* Those for which Kafka has a sentence of its own. */
static struct settings_problem worded_problem(const struct broker_settings *settings,
                                              struct arena *arena) {
    static const struct {
        const char *a;
        enum relation relation;
        const char *b, *text;
    } rules[] = {
        {"replica.socket.timeout.ms", AT_LEAST, "replica.fetch.wait.max.ms",
         "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent "
         "unnecessary socket timeouts"},
        {"replica.fetch.wait.max.ms", AT_MOST, "replica.lag.time.max.ms",
         "replica.fetch.wait.max.ms should always be less than or equal to "
         "replica.lag.time.max.ms to prevent frequent changes in ISR"},
    };
    for (size_t i = 0; i < COUNT(rules); i++) {
        struct str a = str_of(rules[i].a), b = str_of(rules[i].b);
        if (holds(setting_number(settings, a), rules[i].relation, setting_number(settings, b)))
            continue;
        return problem_of(settings, arena_printf(arena, "requirement failed: %s", rules[i].text), a,
                          origin(settings, b));
    }
    return NO_PROBLEM;
}

static struct settings_problem limits_problem(const struct broker_settings *settings,
                                              struct arena *arena) {
    const struct str queued = STR("queued.max.request.bytes");
    const struct str request = STR("socket.request.max.bytes");
    int64_t queued_bytes = setting_number(settings, queued); /* 0 and less: no limit */
    if (queued_bytes > 0 && queued_bytes < setting_number(settings, request)) {
        return problem_of(settings,
                          STR("requirement failed: queued.max.request.bytes must be larger or "
                              "equal to socket.request.max.bytes"),
                          queued, origin(settings, request));
    }
    const struct str delay = STR("connection.failed.authentication.delay.ms");
    const struct str idle = STR("connections.max.idle.ms");
    int64_t delay_ms = setting_number(settings, delay), idle_ms = setting_number(settings, idle);
    if (idle_ms >= 0 && delay_ms >= idle_ms) {
        struct str text = arena_printf(
            arena,
            "requirement failed: %.*s=%lld should always be less than %.*s=%lld to prevent failed "
            "authentication responses from timing out",
            STR_ARG(delay), (long long)delay_ms, STR_ARG(idle), (long long)idle_ms);
        return problem_of(settings, text, delay, origin(settings, idle));
    }
    const struct str buffer = STR("log.cleaner.dedupe.buffer.size");
    const struct str threads = STR("log.cleaner.threads");
    int64_t thread_count = setting_number(settings, threads); /* 0: klamm's own, none */
    if (thread_count > 0 && setting_number(settings, buffer) / thread_count <= 1024 * 1024) {
        return problem_of(settings,
                          STR("requirement failed: log.cleaner.dedupe.buffer.size must be at least "
                              "1MB per cleaner thread."),
                          buffer, origin(settings, threads));
    }
    return NO_PROBLEM;
}

/* --- how much of a disk is free --- */

/* Two shares or two numbers of octets can be compared, one of each only beside a disk. 0 switches
 * a step off. */
static bool is_below(struct str greater, struct str less) {
    double a = 0, b = 0;
    int64_t a_bytes = 0, b_bytes = 0;
    if (config_value_share(greater, &a) && config_value_share(less, &b)) return a > 0 && a < b;
    if (str_to_int64(greater, &a_bytes) && str_to_int64(less, &b_bytes))
        return a_bytes > 0 && a_bytes < b_bytes;
    return false;
}

static struct settings_problem disk_problem(const struct broker_settings *settings,
                                            struct arena *arena) {
    static const char *const steps[] = {"klamm.disk.free.warn", "klamm.disk.free.throttle",
                                        "klamm.disk.free.reject"};
    for (size_t i = 0; i < COUNT(steps); i++) {
        for (size_t k = i + 1; k < COUNT(steps); k++) {
            const struct config_key *greater = config_key_find(str_of(steps[i]));
            const struct config_key *less = config_key_find(str_of(steps[k]));
            if (!is_below(str_trim(setting_get(settings, greater).value),
                          str_trim(setting_get(settings, less).value)))
                continue;
            struct str text = arena_printf(arena, "%s must be greater than or equal to %s",
                                           greater->name, less->name);
            return problem_of(settings, text, str_of(greater->name), less);
        }
    }
    return NO_PROBLEM;
}

/* --- lists --- */

static struct settings_problem connections_problem(const struct broker_settings *settings,
                                                   struct arena *arena) {
    static const char overrides[] = "max.connections.per.ip.overrides";
    static const char limit[] = "max.connections.per.ip";
    struct str bad = STR("");
    struct ip_limit *limits;
    uint32_t count = 0;
    enum status st = ip_limits_read(setting_get(settings, config_key_find(STR(overrides))).value,
                                    arena, &limits, &count, &bad);
    if (st != ST_OK) {
        struct str text = arena_printf(arena,
                                       "Error parsing configuration property '%s': '%.*s' is not "
                                       "ADDRESS:COUNT (names are not resolved)",
                                       overrides, STR_ARG(bad));
        return problem_of(settings, text, STR(overrides), NULL);
    }
    if (count > 0 || setting_number(settings, STR(limit)) > 0) return NO_PROBLEM;
    return problem_of(settings,
                      STR("requirement failed: max.connections.per.ip can be set to zero only if "
                          "max.connections.per.ip.overrides property is set."),
                      STR(limit), NULL);
}

/* The keys are read-only, so what the file says is in effect. */
static struct settings_problem protocols_problem(const struct broker_settings *settings,
                                                 struct arena *arena) {
    (void)arena;
    const struct str_list *protocols = &settings->set->values.group_coordinator_rebalance_protocols;
    for (uint32_t i = 0; i < protocols->count; i++) {
        if (str_eq(protocols->items[i], STR("classic"))) return NO_PROBLEM;
    }
    return problem_of(settings, STR("Disabling the 'classic' protocol is not supported."),
                      STR("group.coordinator.rebalance.protocols"), NULL);
}

static struct settings_problem cordoned_problem(const struct broker_settings *settings,
                                                struct arena *arena) {
    struct str text = cordon_problem(settings, arena);
    return text.ptr != NULL ? problem_of(settings, text, STR("cordoned.log.dirs"), NULL)
                            : NO_PROBLEM;
}

struct settings_problem broker_settings_problem(const struct broker_settings *settings,
                                                struct arena *arena) {
    static struct settings_problem (*const checks[])(const struct broker_settings *settings,
                                                     struct arena *arena) = {
        number_problem, worded_problem,    limits_problem,   groups_problem,      pairs_problem,
        disk_problem,   protocols_problem, cordoned_problem, connections_problem,
    };
    for (size_t i = 0; i < COUNT(checks); i++) {
        struct settings_problem problem = checks[i](settings, arena);
        if (problem.text.ptr != NULL) return problem;
    }
    return NO_PROBLEM;
}
