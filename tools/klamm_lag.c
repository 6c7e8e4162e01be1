/* tools/klamm_lag.c - klamm-lag: how far groups are behind, how fast they read, when they will have
 * caught up, and why they are behind: a live view, or JSON. Works with every broker of Kafka's
 * protocol (tools/lag_watch.h). */
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/assert.h"
#include "tools/admin.h"
#include "tools/clock.h"
#include "tools/interrupt.h"
#include "tools/lag_print.h"

#define LINES_AROUND 4 /* of a screen: title, columns, "more", the cursor's */
#define LINES_MIN 5

enum option {
    OPT_BOOTSTRAP,
    OPT_COMMAND_CONFIG,
    OPT_GROUP,
    OPT_JSON,
    OPT_INTERVAL,
    OPT_ONCE,
    OPT_COUNT
};

static const struct cli_option options[OPT_COUNT] = {
    [OPT_BOOTSTRAP] = ADMIN_BOOTSTRAP_OPTION,
    [OPT_COMMAND_CONFIG] = ADMIN_CONFIG_OPTION,
    [OPT_GROUP] = {.name = "group",
                   .kind = CLI_TEXT,
                   .label = "group",
                   .flags = CLI_MANY,
                   .help = "Watch this group; may be repeated. All groups of consumers when left "
                           "out."},
    [OPT_JSON] = {.name = "json", .help = "Print an object of JSON for every look, one a line."},
    [OPT_INTERVAL] = {.name = "interval",
                      .kind = CLI_INT64,
                      .label = "seconds",
                      .fallback = "5",
                      .help = "Time between two looks."},
    [OPT_ONCE] = {.name = "once",
                  .help = "Look twice, an interval apart, print what that says and end; with "
                          "--interval 0 look once, and know no rates."},
};

static const struct cli_tool tool = {
    .name = "klamm-lag",
    .purpose = "watches how far groups of consumers are behind, and says why.",
    .notes =
        "LAG-TIME is the age of the record that is read next; READ/S and WRITE/S are over the\n"
        "last 32 looks, as commits and the partition's end tell them; CATCH-UP is how long the\n"
        "lag lasts at those rates; COMMIT is the time since the group committed, as the end of\n"
        "__consumer_offsets says it or as it was seen ('>': it is longer than watched).\n"
        "\n"
        "VERDICT is ok, watching (for less than 6 s), draining, or a cause: producer burst, slow\n"
        "consumer, too few consumers, too few partitions, hot partition, rebalancing, stuck\n"
        "commit, dead consumer, no leader. docs/operations/lag.md tells what they mean and what\n"
        "to do.\n",
    .options = options,
    .option_count = OPT_COUNT,
};

struct view {
    struct cli cli;
    struct mem mem;
    struct str *names;
    uint32_t name_count;
    bool is_terminal;
    /* Two looks, each with its own connections: the memory of a long view does not grow, and a
     * broker that comes back is found. */
    struct admin admins[2];
    struct lag_watch watches[2];
    uint32_t look_count;
};

static void read_names(struct view *view) {
    view->name_count = cli_count(&view->cli, OPT_GROUP);
    view->names = mem_need(&view->mem, (view->name_count + 1) * sizeof *view->names);
    for (uint32_t i = 0; i < view->name_count; i++)
        view->names[i] = str_of(cli_nth(&view->cli, OPT_GROUP, i));
}

/* The next look beside the last one, which is then let go. false: nobody answered, *ret_why says
 * why until the next look. */
static bool look(struct view *view, const char **ret_why) {
    static const struct lag_watch nothing;
    uint32_t last = view->look_count % 2, next = 1 - last;
    struct admin *admin = &view->admins[next];
    enum status st = admin_start(admin, &view->mem, cli_text(&view->cli, OPT_BOOTSTRAP),
                                 cli_text(&view->cli, OPT_COMMAND_CONFIG));
    if (st == ST_OK)
        st = lag_watch_take(&admin->client, view->names, view->name_count,
                            view->look_count > 0 ? &view->watches[last] : &nothing,
                            &view->watches[next]);
    if (st != ST_OK) {
        *ret_why = st == ST_NOMEM ? "out of memory" : admin->client.message;
        admin_stop(admin); /* the message stays */
        return false;
    }
    if (view->look_count > 0) admin_stop(&view->admins[last]);
    view->look_count++;
    return true;
}

static const struct lag_watch *newest(const struct view *view) {
    return &view->watches[view->look_count % 2];
}

static uint32_t screen_rows(void) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_row > LINES_AROUND + LINES_MIN ? size.ws_row - LINES_AROUND : LINES_MIN;
}

static void show(struct view *view) {
    if (cli_has(&view->cli, OPT_JSON)) {
        struct strbuf line;
        strbuf_init(&line, &view->mem);
        lag_print_json(newest(view), &line);
        if (line.failed) cli_exit("out of memory");
        (void)fwrite(line.data, 1, line.len, stdout); /* fflush tells */
        strbuf_release(&line);
    } else {
        struct arena arena;
        arena_init(&arena, &view->mem, 4096, 0);
        bool is_live = view->is_terminal && !cli_has(&view->cli, OPT_ONCE);
        if (is_live) fputs("\x1b[H\x1b[2J", stdout); /* home, and everything is erased */
        lag_print_table(newest(view), &arena, is_live ? screen_rows() : 0, stdout);
        if (!is_live && !cli_has(&view->cli, OPT_ONCE)) putchar('\n');
        arena_release(&arena);
    }
    if (fflush(stdout) != 0) exit(1);
}

/* Until that time, or until somebody interrupts. */
static void wait_until(int64_t at_ms) {
    for (int64_t left; !interrupt_seen() && (left = at_ms - clock_ms()) > 0;)
        (void)poll(NULL, 0, (int)MIN(left, INT32_MAX));
}

static void run_once(struct view *view, int64_t interval_ms) {
    const char *why = NULL;
    int64_t begin_ms = clock_ms();
    if (!look(view, &why)) cli_exit("klamm-lag: %s", why);
    if (interval_ms > 0) {
        wait_until(begin_ms + interval_ms);
        if (!look(view, &why)) cli_exit("klamm-lag: %s", why);
    }
    show(view);
}

static void run_live(struct view *view, int64_t interval_ms) {
    while (!interrupt_seen()) {
        const char *why = NULL;
        int64_t begin_ms = clock_ms();
        if (look(view, &why)) {
            show(view);
        } else if (view->look_count == 0) {
            cli_exit("klamm-lag: %s", why);
        } else {
            fprintf(stderr, "klamm-lag: %s\n", why); /* it may come back */
        }
        wait_until(begin_ms + interval_ms);
    }
}

int main(int argc, char **argv) {
    static struct view view;
    cli_start(&view.cli, &tool, &view.mem, argc, argv);
    cli_require(&view.cli, (const uint32_t[]){OPT_BOOTSTRAP}, 1);
    int64_t interval_s = cli_number(&view.cli, OPT_INTERVAL);
    bool is_once = cli_has(&view.cli, OPT_ONCE);
    if (interval_s < !is_once || interval_s > INT32_MAX / 1000)
        cli_usage_exit(&view.cli, "klamm-lag: --interval must be at least 1, or 0 with --once");
    read_names(&view);
    view.is_terminal = isatty(STDOUT_FILENO);
    if (!is_once) interrupt_catch(); /* one look has nothing to finish */
    if (is_once)
        run_once(&view, interval_s * 1000);
    else
        run_live(&view, interval_s * 1000);
    if (view.look_count > 0) admin_stop(&view.admins[view.look_count % 2]);
    mem_free(&view.mem, view.names, (view.name_count + 1) * sizeof *view.names);
    cli_release(&view.cli);
    return fflush(stdout) == 0 ? 0 : 1;
}
