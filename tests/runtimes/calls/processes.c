#include "check.h"
#include <pty.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>

extern char **environ;

static void start(void) {
    CHECK(IN_CHILD(0));
    CHECK(exit_status(fork() ?: (_exit(7), 0)) == 7);
    pid_t pid = vfork();
    if (!pid) {
        execl("/bin/true", "true", NULL);
        _exit(1);
    }
    CHECK(exit_status(pid) == 0);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/tmp/spawned", O_CREAT | O_WRONLY, 0600);
    posix_spawn_file_actions_addclose(&actions, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    char *arguments[] = {"sh", "-c", "echo spawned", NULL};
    CHECK((errno = posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environ)) == 0);
    CHECK(exit_status(pid) == 0);
    CHECK((errno = posix_spawnp(&pid, "true", NULL, NULL, arguments, environ)) == 0);
    CHECK(exit_status(pid) == 0);

    char line[16] = "";
    FILE *pipe = popen("cat /tmp/spawned", "r");
    CHECK(pipe && fgets(line, sizeof line, pipe) && !strcmp(line, "spawned\n"));
    CHECK(pipe && pclose(pipe) == 0);
    CHECK(WEXITSTATUS(system("exit 5")) == 5);

    int fd = open("/bin/true", O_PATH | O_CLOEXEC);
    CHECK(exit_status(fork() ?: (fexecve(fd, arguments, environ), _exit(1), 0)) == 0);
    close(fd);
}

static void wait_for(void) {
    siginfo_t info;
    struct rusage usage;
    pid_t pid = fork();
    if (!pid) pause();
    int pidfd = syscall(SYS_pidfd_open, pid, 0);
    CHECK(pidfd >= 0);
    CHECK(kill(pid, 0) == 0);
    CHECK(syscall(SYS_pidfd_send_signal, pidfd, SIGSTOP, NULL, 0) == 0);
    CHECK(waitid(P_PID, pid, &info, WSTOPPED) == 0 && info.si_status == SIGSTOP);
    CHECK(kill(pid, SIGCONT) == 0);
    CHECK(kill(pid, SIGTERM) == 0);
    CHECK(waitid((idtype_t)3 /* P_PIDFD */, pidfd, &info, WEXITED) == 0 && info.si_status == SIGTERM);
    close(pidfd);
    pid = fork();
    if (!pid) _exit(0);
    CHECK(wait4(pid, NULL, 0, &usage) == pid);
    CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0);
}

static void ids_and_sessions(void) {
    CHECK(setuid(getuid()) == 0 && setgid(getgid()) == 0);
    CHECK(setresuid(-1, -1, -1) == 0 && setreuid(-1, -1) == 0);
    CHECK(getgroups(0, NULL) >= 0);
    CHECK(getsid(0) > 0 && getpgrp() > 0 && getppid() > 0);
    CHECK(IN_CHILD(setpgid(0, 0)));
    CHECK(IN_CHILD(setsid() < 0));
    uint32_t header[2] = {0x20080522, 0}, data[6];
    CHECK(syscall(SYS_capget, header, data) == 0);
    CHECK(syscall(SYS_capset, header, memset(data, 0, sizeof data)) == 0);
}

// The child's terminal becomes its controlling one.
static void terminal(void) {
    int manager;
    char said[16] = "";
    pid_t pid = forkpty(&manager, NULL, NULL, NULL);
    struct winsize size = {24, 80, 0, 0};
    if (!pid) {
        dprintf(1, isatty(0) && tcgetpgrp(0) == getpid() && ioctl(0, TIOCSWINSZ, &size) == 0 ? "yes" : "no");
        _exit(0);
    }
    CHECK(pid > 0);
    CHECK(read(manager, said, 3) == 3 && !strcmp(said, "yes"));
    CHECK(exit_status(pid) == 0);
    close(manager);
}

// A program that confines itself, with SECCOMP_MODE_FILTER; uname(2) then gives EACCES. The kernel does not
// grant SECCOMP_MODE_STRICT to a process that has a filter.
static int confine(void) {
    struct { uint16_t code; uint8_t yes, no; uint32_t value; } filter[] = {
        {0x20, 0, 0, 0},                // load the number
        {0x15, 0, 1, SYS_uname},        // equal?
        {0x06, 0, 0, 0x50000 | EACCES}, // return SECCOMP_RET_ERRNO
        {0x06, 0, 0, 0x7fff0000},       // return SECCOMP_RET_ALLOW
    };
    struct { uint16_t length; void *filter; } program = {4, filter};
    struct utsname names;
    if (prctl(PR_SET_SECCOMP, 2, &program)) return 1;
    return uname(&names) == 0 || errno != EACCES;
}

static void settings(void) {
    struct rlimit limit;
    struct sysinfo machine;
    struct utsname names;
    struct tms ticks;
    CHECK(prctl(PR_SET_NAME, "named") == 0 && prctl(PR_GET_NAME, (char[16]){0}) == 0);
    CHECK(IN_CHILD(prctl(PR_SET_PDEATHSIG, SIGKILL)));
    CHECK(IN_CHILD(prctl(PR_SET_CHILD_SUBREAPER, 1)));
    CHECK(IN_CHILD(prctl(PR_SET_DUMPABLE, 0)));
    CHECK(prctl(PR_SET_TIMERSLACK, 60000) == 0);
    CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHECK(prctl(PR_CAPBSET_READ, 0) >= 0);
    CHECK(IN_CHILD(confine()));
    CHECK(personality(0xffffffff) >= 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(prlimit(getpid(), RLIMIT_STACK, NULL, &limit) == 0 && prlimit(0, RLIMIT_STACK, &limit, NULL) == 0);
    CHECK(sysinfo(&machine) == 0 && machine.totalram > 0);
    CHECK(uname(&names) == 0 && !strcmp(names.sysname, "Linux"));
    CHECK(times(&ticks) != (clock_t)-1);
    char random[32];
    CHECK(getrandom(random, sizeof random, 0) == sizeof random);
    CHECK(getentropy(random, sizeof random) == 0);
}

static void scheduling(void) {
    cpu_set_t cpus;
    struct sched_param parameters = {0};
    struct timespec interval;
    CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    CHECK(sched_setaffinity(0, sizeof cpus, &cpus) == 0);
    CHECK(sched_getcpu() >= 0);
    CHECK(syscall(SYS_getcpu, &(unsigned){0}, NULL, NULL) == 0);
    CHECK(sched_yield() == 0);
    CHECK(syscall(SYS_sched_getscheduler, 0) >= 0);
    CHECK(syscall(SYS_sched_getparam, 0, &parameters) == 0);
    CHECK(sched_rr_get_interval(0, &interval) == 0);
    CHECK(sched_get_priority_max(SCHED_FIFO) == 99);
    CHECK(IN_CHILD(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &parameters)));
    char attributes[48];
    CHECK(syscall(SYS_sched_getattr, 0, attributes, sizeof attributes, 0) == 0);
    CHECK(IN_CHILD(syscall(SYS_sched_setattr, 0, attributes, 0)));
    CHECK(IN_CHILD(nice(1) == -1));
    CHECK(getpriority(PRIO_PROCESS, 0) == 0);
    CHECK(syscall(SYS_ioprio_get, 1, 0) >= 0);
    CHECK(IN_CHILD(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 7)));
}

void processes(void) {
    start();
    wait_for();
    ids_and_sessions();
    terminal();
    settings();
    scheduling();
}
