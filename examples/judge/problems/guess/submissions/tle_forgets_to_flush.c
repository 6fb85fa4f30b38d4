// expect: TLE
// The guess stays in a buffer, and both wait for each other: the wall clock ends it.
#include <stdio.h>

int main(void) {
    long long n;
    char word[16];
    scanf("%lld", &n);
    printf("%lld\n", (n + 1) / 2);
    scanf("%15s", word);
}
