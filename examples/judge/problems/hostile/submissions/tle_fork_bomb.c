// expect: TLE
// Endless forking: the limit of processes holds it down, the limit of CPU time ends it.
#include <unistd.h>

int main(void) {
    for (;;) fork();
}
