/* Is busy for 500 ms of CPU time, and prints the nanoseconds that its own clock counted. */
#include <stdio.h>
#include <time.h>

static long long used(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(void) {
    long long start = used(), end = start;
    while (end - start < 500000000) end = used();
    printf("%lld\n", end - start);
    return 0;
}
