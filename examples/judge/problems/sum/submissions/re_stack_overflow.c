// expect: RE
// The stack ends before the memory does, so this is a segmentation fault.
#include <stdio.h>

static volatile int depth;

static int deeper(int n) {
    volatile char space[1000];
    space[0] = (char)n;
    depth++;
    return deeper(n + 1) + space[0];
}

int main(void) {
    printf("%d\n", deeper(0));
}
