#include "check.h"
#include <semaphore.h>
#include <time.h>
#ifdef __GLIBC__
#include <sys/rseq.h>
#endif

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_key_t key;
static int count;

static void *add(void *unused) {
    pthread_setspecific(key, &count);
    pthread_barrier_wait(&barrier);
    for (int turn = 0; turn < 10000; turn++) {
        pthread_mutex_lock(&mutex);
        count++;
        pthread_mutex_unlock(&mutex);
    }
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void *sleep_for_ever(void *unused) {
    for (;;) pause();
    return unused;
}

static volatile sig_atomic_t heard;
static void hear(int signal) { heard = signal; }

static void work(void) {
    pthread_t threads[8];
    CHECK(pthread_key_create(&key, NULL) == 0);
    CHECK(pthread_barrier_init(&barrier, NULL, 8) == 0);
    for (int i = 0; i < 8; i++) CHECK((errno = pthread_create(&threads[i], NULL, add, NULL)) == 0);
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 60;
    pthread_mutex_lock(&mutex);
    int waited = 0;
    while (count < 80000 && !waited) waited = pthread_cond_timedwait(&condition, &mutex, &end);
    pthread_mutex_unlock(&mutex);
    CHECK(waited == 0);
    for (int i = 0; i < 8; i++) CHECK((errno = pthread_join(threads[i], NULL)) == 0);
    CHECK(count == 80000);
}

static void control(void) {
    pthread_t thread;
    pthread_attr_t attributes;
    void *result;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 1 << 20) == 0);
    CHECK((errno = pthread_create(&thread, &attributes, sleep_for_ever, NULL)) == 0);
    CHECK((errno = pthread_setname_np(thread, "sleeper")) == 0);
    cpu_set_t cpus;
    CHECK((errno = pthread_getaffinity_np(thread, sizeof cpus, &cpus)) == 0);
    CHECK((errno = pthread_setaffinity_np(thread, sizeof cpus, &cpus)) == 0);
    clockid_t clock;
    CHECK((errno = pthread_getcpuclockid(thread, &clock)) == 0);
    struct timespec used;
    CHECK(clock_gettime(clock, &used) == 0);
    signal(SIGUSR1, hear);
    CHECK((errno = pthread_kill(thread, SIGUSR1)) == 0);
    CHECK((errno = pthread_cancel(thread)) == 0);
    CHECK((errno = pthread_join(thread, &result)) == 0 && result == PTHREAD_CANCELED);
    CHECK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1) == 0 && heard == SIGUSR1);
    // All threads of a process take these on together.
    CHECK(setgid(getgid()) == 0 && setuid(getuid()) == 0);
}

// What the C library and language runtimes ask the kernel for beneath.
static void beneath(void) {
    int word = 0;
    void *list;
    size_t length;
    CHECK(syscall(SYS_futex, &word, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0) == 0);
    CHECK(syscall(449 /* futex_waitv */, NULL, 0, 0, NULL, 0) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_get_robust_list, 0, &list, &length) == 0);
    CHECK(syscall(SYS_set_robust_list, list, length) == 0);
    CHECK(syscall(SYS_membarrier, 0 /* QUERY */, 0, 0) > 0);
    CHECK(syscall(SYS_membarrier, 16 /* REGISTER_PRIVATE_EXPEDITED */, 0, 0) == 0);
    CHECK(syscall(SYS_membarrier, 8 /* PRIVATE_EXPEDITED */, 0, 0) == 0);
#ifdef __GLIBC__
    CHECK(__rseq_size > 0);
#else
    static char area[32] __attribute__((aligned(32)));
    CHECK(syscall(SYS_rseq, area, sizeof area, 0, 0x53053053) == 0);
    CHECK(syscall(SYS_rseq, area, sizeof area, 1 /* UNREGISTER */, 0x53053053) == 0);
#endif
}

static void named_semaphore(void) {
    sem_t *semaphore = sem_open("/semaphore", O_CREAT, 0600, 0);
    CHECK(semaphore != SEM_FAILED);
    if (semaphore == SEM_FAILED) return;
    CHECK(IN_CHILD(sem_post(semaphore)));
    CHECK(sem_wait(semaphore) == 0);
    CHECK(sem_close(semaphore) == 0 && sem_unlink("/semaphore") == 0);
}

void threads(void) {
    work();
    control();
    beneath();
    named_semaphore();
}
