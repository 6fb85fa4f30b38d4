// expect: WA
#include <stdio.h>

int main(void) {
    printf("0\n");
}
