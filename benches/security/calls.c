/* Makes a system call again and again: each line of its input is the letter of a call and how often; the answer
 * is how many nanoseconds that took. With the argument `floor` it first attaches the shortest filter there is. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int allow_everything(void) {
    struct sock_filter instruction = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &instruction};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* The kernel has next to nothing to do for any of them; the last three have arguments that a filter looks at. */
static void call(char letter) {
    switch (letter) {
    case 'g': syscall(SYS_getpid); break;
    case 'i': syscall(SYS_ioctl, -1, 0, 0); break;
    case 'p': syscall(SYS_personality, 0xffffffffUL); break;
    case 's': syscall(SYS_socket, AF_UNIX, 0x7fffffff, 0); break;
    }
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "floor") == 0 && allow_everything() != 0) return 1;
    char letter;
    long times;
    while (scanf(" %c %ld", &letter, &times) == 2) {
        long long start = now();
        for (long made = 0; made < times; made++) call(letter);
        printf("%lld\n", now() - start);
        fflush(stdout);
    }
    return 0;
}
