/* `attach PROGRAM`: for each line of its input, which is a number, so many children attach the filter that the
 * file holds; the answer is how many nanoseconds one of them needed in the middle. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sock_filter instructions[BPF_MAXINSNS];

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long attach(struct sock_fprog *program, volatile long long *taken) {
    *taken = 0;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        long long start = now();
        int failed = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
        *taken = failed ? -1 : now() - start;
        _exit(0);
    }
    waitpid(child, 0, 0);
    return *taken;
}

static int compare(const void *one, const void *other) {
    long long a = *(const long long *)one, b = *(const long long *)other;
    return (a > b) - (a < b);
}

int main(int count, char **arguments) {
    FILE *file = count > 1 ? fopen(arguments[1], "r") : 0;
    if (!file) return 1;
    struct sock_fprog program = {0, instructions};
    program.len = fread(instructions, sizeof *instructions, BPF_MAXINSNS, file);
    long long *taken = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static long long all[1024];
    int times;
    while (scanf("%d", &times) == 1 && times > 0 && times <= 1024) {
        for (int made = 0; made < times; made++) {
            all[made] = attach(&program, taken);
            if (all[made] <= 0) return 1;
        }
        qsort(all, times, sizeof *all, compare);
        printf("%lld\n", all[times / 2]);
        fflush(stdout);
    }
    return 0;
}
