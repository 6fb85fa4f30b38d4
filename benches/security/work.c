/* `work DIRECTORY`: each line of its input is the letter of a piece of work and how often; the answer is how many
 * nanoseconds of CPU time that took: a container is a session of its own, and a busy machine shares its CPUs out by
 * session. `c` computes, `f` makes, writes, reads and removes files in the directory, which must be
 * a tmpfs, and `r` reads the programs in /usr/bin. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#define SIEVE 200000
#define BLOCK 16384
#define PROGRAMS 200

static char sieve[SIEVE], block[BLOCK], programs[PROGRAMS][300];
static volatile long result;

static long long used(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void compute(void) {
    memset(sieve, 1, SIEVE);
    for (long i = 2; i < SIEVE; i++) {
        if (!sieve[i]) continue;
        for (long j = 2 * i; j < SIEVE; j += i) sieve[j] = 0;
    }
    unsigned long mixed = 1;
    for (long i = 0; i < SIEVE; i++) mixed = mixed * 6364136223846793005UL + sieve[i];
    result = mixed;
}

static void read_all(const char *path) {
    int fd = open(path, O_RDONLY);
    if (fd < 0) return;
    ssize_t length;
    for (int blocks = 0; blocks < 4 && (length = read(fd, block, BLOCK)) > 0; blocks++) result += length;
    close(fd);
}

static void change_files(void) {
    for (int number = 0; number < 20; number++) {
        char path[32];
        struct stat status;
        snprintf(path, sizeof path, "cofferdam-bench-%d-%d", getpid(), number);
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (fd < 0 || write(fd, block, BLOCK) != BLOCK || close(fd) != 0) fail(path);
        if (stat(path, &status) != 0) fail(path);
        read_all(path);
        if (unlink(path) != 0) fail(path);
    }
}

static int by_name(const void *one, const void *other) {
    return strcmp(one, other);
}

/* Inside it is the same directory, so these are the same ones. */
static void find_programs(void) {
    DIR *directory = opendir("/usr/bin");
    if (!directory) fail("/usr/bin");
    int found = 0;
    for (struct dirent *entry; found < PROGRAMS && (entry = readdir(directory));) {
        if (entry->d_type == DT_REG)
            snprintf(programs[found++], sizeof *programs, "/usr/bin/%s", entry->d_name);
    }
    closedir(directory);
    qsort(programs, found, sizeof *programs, by_name);
}

static void read_programs(void) {
    struct stat status;
    for (int number = 0; number < PROGRAMS && programs[number][0]; number++) {
        if (stat(programs[number], &status) == 0) read_all(programs[number]);
    }
}

int main(int count, char **arguments) {
    struct statfs kind;
    if (count < 2 || chdir(arguments[1]) != 0) fail("the directory");
    if (statfs(".", &kind) != 0 || kind.f_type != 0x01021994) return 1;
    find_programs();
    char letter;
    long times;
    while (scanf(" %c %ld", &letter, &times) == 2) {
        long long start = used();
        for (long done = 0; done < times; done++) {
            if (letter == 'c') compute();
            if (letter == 'f') change_files();
            if (letter == 'r') read_programs();
        }
        printf("%lld\n", used() - start);
        fflush(stdout);
    }
    return 0;
}
