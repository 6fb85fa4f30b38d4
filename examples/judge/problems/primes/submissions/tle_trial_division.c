// expect: TLE
// Right, and far too slow on the last test only.
#include <stdio.h>

int main(void) {
    int n, count = 0;
    scanf("%d", &n);
    for (int i = 2; i <= n; i++) {
        int divisor = 2;
        while (i % divisor != 0) divisor++;
        count += divisor == i;
    }
    printf("%d\n", count);
}
