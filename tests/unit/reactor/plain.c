/* tests/unit/reactor/plain.c - runs the tests of the files it is linked with in one process; see
 * plain.h. */
#include "tests/unit/reactor/plain.h"

struct plain_test *plain_tests;

int main(int argc, char **argv) {
    for (struct plain_test *test = plain_tests; test != NULL; test = test->next) {
        if (argc > 1 && strstr(test->name, argv[1]) == NULL) continue;
        (void)fprintf(stderr, "%s\n", test->name);
        test->run();
    }
    return 0;
}
