// expect: TLE
// Burns CPU time in many children that the kernel reaps by itself, so that getrusage(2) never counts them.
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void burn(void) {
    while (clock() < CLOCKS_PER_SEC / 20) ;
}

int main(void) {
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        if (fork() == 0) {
            burn();
            _exit(0);
        }
        // Returns when the child has gone, without its status or its times.
        waitpid(-1, 0, 0);
    }
}
