/* `timer NANOSECONDS PROGRAM KIND` runs the load in a session of its own, as a container does, sleeps for that
 * time with the smallest timer slack, and prints how many nanoseconds too late it woke up. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **arguments) {
    if (count != 4) return 1;
    long long length = atoll(arguments[1]);
    pid_t load = fork();
    if (load == 0) {
        setsid();
        execl(arguments[2], arguments[2], arguments[3], (char *)0);
        _exit(1);
    }
    prctl(PR_SET_TIMERSLACK, 1);
    struct timespec time = {length / 1000000000, length % 1000000000};
    long long start = now();
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, 0);
    long long late = now() - start - length;
    // It may not have come to its session yet.
    kill(-load, SIGKILL);
    kill(load, SIGKILL);
    waitpid(load, 0, 0);
    printf("%lld\n", late);
    return 0;
}
