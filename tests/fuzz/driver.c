/* tests/fuzz/driver.c - runs a fuzz target without a fuzzing engine: first every file of its
 * corpus, then a fixed number of inputs made from them by a seeded generator, so that a run
 * repeats.
 *
 *   fuzz-NAME CORPUS_DIR RUNS [SEED]    SEED: KLAMM_SEED_BASE, or 1
 *   fuzz-NAME FILE                      that input alone
 *
 * A target that finds a fault aborts or is stopped by a sanitizer; the input is then in the file
 * named by FUZZ_CRASH (./fuzz-crash), to be replayed and, once mended, added to the corpus.
 * With an engine that brings its own main (-fsanitize=fuzzer) targets link without this file. */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/prng.h"

#define INPUT_BYTES_MAX 65536
#define CORPUS_FILES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *data;
    size_t size;
};

static struct input corpus[CORPUS_FILES_MAX];
static size_t corpus_count;
static uint8_t current[INPUT_BYTES_MAX]; /* what runs now: a crash leaves it in a file */
static size_t current_size;

/* There when a sanitizer is linked: its death need not be a signal. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void keep_input(void) {
    const char *path = getenv("FUZZ_CRASH");
    int fd = open(path != NULL ? path : "fuzz-crash", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) return;
    (void)!write(fd, current, current_size); /* the process is on its way out */
    close(fd);
}

static void keep_input_and_die(int signal_number) {
    keep_input();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void watch_for_death(void) {
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) signal(fatal[i], keep_input_and_die);
    if (__sanitizer_set_death_callback != NULL) __sanitizer_set_death_callback(keep_input);
}

static bool load(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    size_t size = data != NULL ? fread(data, 1, INPUT_BYTES_MAX, file) : 0;
    fclose(file);
    if (data == NULL || corpus_count == CORPUS_FILES_MAX) {
        free(data);
        return false;
    }
    corpus[corpus_count++] = (struct input){data, size};
    return true;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Sorted, so that a seed means the same everywhere. */
static bool load_all(const char *dir) {
    struct dirent **entries;
    int count = scandir(dir, &entries, NULL, by_name);
    if (count < 0) return false;
    bool ok = true;
    for (int i = 0; i < count; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') ok = load(path) && ok;
        free(entries[i]);
    }
    free(entries);
    return ok;
}

/* The input lies in a block of its own size while it runs: one octet beyond it is a finding. */
static void run(void) {
    uint8_t *exact = malloc(current_size > 0 ? current_size : 1);
    if (exact == NULL) abort();
    memcpy(exact, current, current_size);
    (void)LLVMFuzzerTestOneInput(exact, current_size); /* 0 by the interface */
    free(exact);
}

static void take(const struct input *input) {
    current_size = input->size;
    memcpy(current, input->data, input->size);
}

/* Numbers that lengths, counts and varints break at. */
static void put_edge(struct prng *prng, size_t at) {
    static const uint8_t edges[][5] = {
        {0x7f, 0xff, 0xff, 0xff},       {0x80, 0, 0, 0},
        {0xff, 0xff, 0xff, 0xff},       {0, 0, 0, 0},
        {0xff, 0xff, 0xff, 0xff, 0x0f}, {0x80, 0x80, 0x80, 0x80, 0x08},
        {0xff, 0xff, 0xff, 0xff, 0x07},
    };
    const uint8_t *edge = edges[prng_below(prng, sizeof edges / sizeof *edges)];
    for (size_t i = 0; i < 5 && at + i < current_size; i++) current[at + i] = edge[i];
}

static void mutate_once(struct prng *prng) {
    size_t at = current_size > 0 ? prng_below(prng, current_size) : 0;
    switch (prng_below(prng, 7)) {
    case 0: /* flip one bit */
        if (current_size > 0) current[at] ^= (uint8_t)(1u << prng_below(prng, 8));
        break;
    case 1: /* another octet */
        if (current_size > 0) current[at] = (uint8_t)prng_next(prng);
        break;
    case 2: put_edge(prng, at); break;
    case 3: current_size = at; break; /* cut */
    case 4:                           /* one octet more */
        if (current_size == INPUT_BYTES_MAX) break;
        memmove(current + at + 1, current + at, current_size - at);
        current[at] = (uint8_t)prng_next(prng);
        current_size++;
        break;
    case 5: /* one less */
        if (current_size == 0) break;
        memmove(current + at, current + at + 1, current_size - at - 1);
        current_size--;
        break;
    default: { /* go on with the rest of another */
        const struct input *other = &corpus[prng_below(prng, corpus_count)];
        size_t from = other->size > 0 ? prng_below(prng, other->size) : 0;
        size_t count = other->size - from;
        if (count > INPUT_BYTES_MAX - at) count = INPUT_BYTES_MAX - at;
        memcpy(current + at, other->data + from, count);
        current_size = at + count;
        break;
    }
    }
}

static int run_corpus(const char *dir, unsigned long runs, uint64_t seed) {
    if (!load_all(dir) || corpus_count == 0) {
        fprintf(stderr, "%s: no corpus, or not readable\n", dir);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < corpus_count; i++) {
        take(&corpus[i]);
        run();
    }
    struct prng prng;
    prng_seed(&prng, seed);
    for (unsigned long i = 0; i < runs; i++) {
        take(&corpus[prng_below(&prng, corpus_count)]);
        for (uint64_t n = 1 + prng_below(&prng, 4); n > 0; n--) mutate_once(&prng);
        run();
    }
    printf("%zu inputs of the corpus, %lu made from them with seed %llu\n", corpus_count, runs,
           (unsigned long long)seed);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    watch_for_death();
    struct stat st;
    if (argc == 2 && stat(argv[1], &st) == 0 && S_ISREG(st.st_mode) && load(argv[1])) {
        take(&corpus[0]);
        run();
        free(corpus[0].data);
        return EXIT_SUCCESS;
    }
    if (argc < 3) {
        fprintf(stderr, "usage: %s CORPUS_DIR RUNS [SEED] | FILE\n", argv[0]);
        return EXIT_FAILURE;
    }
    const char *seed = argc > 3 ? argv[3] : getenv("KLAMM_SEED_BASE");
    int status = run_corpus(argv[1], strtoul(argv[2], NULL, 10),
                            seed != NULL ? strtoull(seed, NULL, 10) : 1);
    for (size_t i = 0; i < corpus_count; i++) free(corpus[i].data);
    return status;
}
