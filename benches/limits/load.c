/* A load that does not end by itself: `idle` sleeps, `alone` is busy, `crowd` has four busy children. It goes
 * with the process that started it, should that be killed. */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void spin(void) {
    for (volatile unsigned turns = 0;; turns++) {}
}

static void go_with_the_parent(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int main(int count, char **arguments) {
    const char *kind = count > 1 ? arguments[1] : "idle";
    go_with_the_parent();
    if (strcmp(kind, "alone") == 0) spin();
    for (int child = 0; strcmp(kind, "crowd") == 0 && child < 4; child++) {
        if (fork() == 0) {
            go_with_the_parent();
            spin();
        }
    }
    for (;;) pause();
}
