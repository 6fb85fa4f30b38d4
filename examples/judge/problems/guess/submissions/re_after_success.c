// expect: RE
// The number is found, but that is not all: the program must end well too.
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    printf("1\n");
    fflush(stdout);
    while (getchar() != EOF) ;
    abort();
}
