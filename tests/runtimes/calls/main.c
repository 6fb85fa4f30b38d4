#include "check.h"

int checks, failures;

void check(int holds, const char *what, const char *file, int line) {
    checks++;
    if (holds) return;
    failures++;
    printf("%s:%d: %s: %s\n", file, line, what, strerror(errno));
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    processes();
    threads();
    events();
    ipc();
    sockets();
    files();
    memory();
    if (!failures && checks > 150) puts("every call succeeds");
    else printf("%d of %d failed\n", failures, checks);
}
