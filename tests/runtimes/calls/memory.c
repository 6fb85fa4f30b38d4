#include "check.h"
#include <aio.h>
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif

static void mappings(void) {
    enum { SIZE = 1 << 20 };
    unsigned char resident[SIZE / 4096];
    char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED && (at[0] = 1));
    CHECK(mprotect(at, 4096, PROT_READ) == 0 && mprotect(at, SIZE, PROT_READ | PROT_WRITE) == 0);
    CHECK(madvise(at, SIZE, MADV_DONTNEED) == 0 && at[0] == 0);
    CHECK(madvise(at, SIZE, MADV_FREE) == 0 && madvise(at, SIZE, MADV_DONTFORK) == 0);
    CHECK(mincore(at, SIZE, resident) == 0);
    CHECK(mlock(at, 4096) == 0 && munlock(at, 4096) == 0);
    CHECK(syscall(SYS_mlock2, at, 4096, 1 /* MLOCK_ONFAULT */) == 0 && munlockall() == 0);
    at = mremap(at, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
    CHECK(at != MAP_FAILED);
    CHECK(mmap(at, 4096, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == at);
    CHECK(munmap(at, 2 * SIZE) == 0);
    const int not_over = 0x100000; // MAP_FIXED_NOREPLACE
    CHECK(mmap(at, 4096, PROT_NONE, not_over | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == at);
    // Language runtimes reserve more than there is.
    at = mmap(NULL, 1L << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(at != MAP_FAILED && mprotect(at, 4096, PROT_READ | PROT_WRITE) == 0 && munmap(at, 1L << 40) == 0);
    volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && IN_CHILD((*shared = 42) - 42) && *shared == 42);
    CHECK(syscall(SYS_brk, 0) > 0);
}

// As a compiler that runs what it has just made: `return 42`.
static void code(void) {
    unsigned char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
#ifdef __x86_64__
    memcpy(at, "\xb8\x2a\0\0\0\xc3", 6);
    CHECK(mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0 && ((int (*)(void))at)() == 42);
    CHECK(syscall(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, &at) == 0);
#endif
}

static void files_of_memory(void) {
    int fd = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(at != MAP_FAILED && (*at = 1) && msync(at, 4096, MS_SYNC) == 0 && munmap(at, 4096) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, 6 /* SEAL_SHRINK, SEAL_GROW */) == 0 && ftruncate(fd, 0) < 0);
    close(fd);
}

static void asynchronous(void) {
    char text[8] = "";
    int fd = open("/tmp/asynchronous", O_CREAT | O_RDWR, 0600);
    struct aiocb request = {.aio_fildes = fd, .aio_buf = "written", .aio_nbytes = 7};
    const struct aiocb *list[] = {&request};
    CHECK(aio_write(&request) == 0 && aio_suspend(list, 1, NULL) == 0 && aio_return(&request) == 7);
    CHECK(pread(fd, text, 7, 0) == 7 && !strcmp(text, "written"));
    // The kernel's own, as database servers use it.
    unsigned long context = 0;
    CHECK(syscall(SYS_io_setup, 1, &context) == 0 && syscall(SYS_io_destroy, context) == 0);
    close(fd);
}

void memory(void) {
    mappings();
    code();
    files_of_memory();
    asynchronous();
}
