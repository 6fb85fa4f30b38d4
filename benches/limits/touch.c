/* Touches 64 MiB. With an argument it prints its ru_maxrss, in KiB. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define SIZE (64UL << 20)

int main(int count, char **arguments) {
    (void)arguments;
    char *memory = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    for (unsigned long at = 0; at < SIZE; at += 4096) memory[at] = 1;
    struct rusage usage;
    if (count > 1 && getrusage(RUSAGE_SELF, &usage) == 0) printf("%ld\n", usage.ru_maxrss);
    return 0;
}
