// Calls that programs make, each with a check. What fails is printed with its errno.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern int checks, failures;
void check(int holds, const char *what, const char *file, int line);

#define CHECK(condition) (errno = 0, check((condition) ? 1 : 0, #condition, __FILE__, __LINE__))
// Whether this is 0 in a child process.
#define IN_CHILD(expression) (exit_status(({ pid_t pid = fork(); if (!pid) _exit(expression); pid; })) == 0)

static inline int exit_status(pid_t pid) {
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

void processes(void);
void threads(void);
void events(void);
void ipc(void);
void sockets(void);
void files(void);
void memory(void);
