/* tests/seal/main.c - links one layer whole with only the layers below it.
 * A layer that reaches upward does not link. */
int main(void) { return 0; }
