#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

static const struct timespec soon = {0, 1000000}, long_time = {60, 0};
static volatile sig_atomic_t value;

static void take(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    value = info->si_value.sival_int;
}

static void signals(void) {
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigset_t set, pending;
    siginfo_t info;
    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 42}) == 0 && value == 42);
    sigemptyset(&set);
    CHECK(sigaddset(&set, SIGUSR2) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(raise(SIGUSR2) == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR2));
    CHECK(sigtimedwait(&set, &info, &long_time) == SIGUSR2);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    struct signalfd_siginfo read_info;
    CHECK(fd >= 0);
    CHECK(raise(SIGUSR2) == 0 && read(fd, &read_info, sizeof read_info) == sizeof read_info);
    close(fd);
    sigdelset(&pending, SIGUSR2);
    CHECK(raise(SIGUSR2) == 0 && sigsuspend(&pending) == -1 && errno == EINTR);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

static pthread_mutex_t fired = PTHREAD_MUTEX_INITIALIZER;
static void fire(union sigval ignored) {
    (void)ignored;
    pthread_mutex_unlock(&fired);
}

static void timers(void) {
    timer_t timer;
    sigset_t set;
    siginfo_t info;
    struct itimerspec once = {.it_value = soon}, left;
    struct itimerval interval = {.it_value = {0, 1000}};
    struct timespec now;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0);
    CHECK(timer_settime(timer, 0, &once, NULL) == 0 && timer_gettime(timer, &left) == 0);
    CHECK(sigtimedwait(&set, &info, &long_time) == SIGALRM);
    CHECK(timer_getoverrun(timer) == 0 && timer_delete(timer) == 0);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = fire};
    pthread_mutex_lock(&fired);
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0 && timer_settime(timer, 0, &once, NULL) == 0);
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += 60;
    CHECK((errno = pthread_mutex_timedlock(&fired, &now)) == 0);
    CHECK(timer_delete(timer) == 0);
    CHECK(setitimer(ITIMER_REAL, &interval, NULL) == 0 && sigtimedwait(&set, &info, &long_time) == SIGALRM);
    alarm(100);
    CHECK(alarm(0) > 0 && getitimer(ITIMER_PROF, &interval) == 0);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    uint64_t expirations = 0;
    CHECK(fd >= 0 && timerfd_settime(fd, 0, &once, NULL) == 0 && timerfd_gettime(fd, &left) == 0);
    CHECK(read(fd, &expirations, sizeof expirations) == sizeof expirations && expirations == 1);
    close(fd);
    CHECK(nanosleep(&soon, NULL) == 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL) == 0);
    CHECK(clock_getres(CLOCK_BOOTTIME, &now) == 0 && clock_gettime(CLOCK_TAI, &now) == 0);
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0 && syscall(SYS_clock_gettime, 0, &now) == 0);
    CHECK(syscall(SYS_gettimeofday, &interval.it_value, NULL) == 0 && syscall(SYS_time, NULL) > 0);
}

static void waiting(void) {
    int epoll = epoll_create1(EPOLL_CLOEXEC), event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event interest = {.events = EPOLLIN, .data.fd = event}, ready;
    struct pollfd polled = {.fd = event, .events = POLLIN};
    fd_set set;
    CHECK(epoll >= 0 && event >= 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &interest) == 0);
    CHECK(epoll_wait(epoll, &ready, 1, 0) == 0);
    CHECK(eventfd_write(event, 3) == 0);
    CHECK(epoll_wait(epoll, &ready, 1, -1) == 1 && ready.data.fd == event);
    CHECK(epoll_pwait(epoll, &ready, 1, -1, NULL) == 1);
    CHECK(syscall(SYS_epoll_pwait2, epoll, &ready, 1, &long_time, NULL, 0) == 1);
    CHECK(poll(&polled, 1, -1) == 1 && ppoll(&polled, 1, &long_time, NULL) == 1);
    FD_ZERO(&set);
    FD_SET(event, &set);
    CHECK(select(event + 1, &set, NULL, NULL, NULL) == 1);
    CHECK(pselect(event + 1, &set, NULL, NULL, NULL, NULL) == 1);
    eventfd_t count = 0;
    CHECK(eventfd_read(event, &count) == 0 && count == 3);
    close(event);
    close(epoll);
}

static void watching(void) {
    char buffer[512];
    int fd = inotify_init1(IN_CLOEXEC), watch = inotify_add_watch(fd, "/tmp", IN_CREATE);
    CHECK(fd >= 0 && watch >= 0);
    CHECK(mkdir("/tmp/watched", 0700) == 0);
    CHECK(read(fd, buffer, sizeof buffer) > 0 && !strcmp(((struct inotify_event *)buffer)->name, "watched"));
    CHECK(inotify_rm_watch(fd, watch) == 0);
    close(fd);
}

void events(void) {
    signals();
    timers();
    waiting();
    watching();
}
