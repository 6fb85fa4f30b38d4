// expect: WA
// It was wrong before it crashed, whichever of the two processes ends first.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    printf("what?\n");
    fflush(stdout);
    abort();
}
