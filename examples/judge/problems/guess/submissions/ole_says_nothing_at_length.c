// expect: OLE
// White space is no guess; the interactor waits for one.
#include <stdio.h>

int main(void) {
    for (;;) putchar('\n');
}
