// expect: WA
// Looks right; the first test, of one line, is.
#include <stdio.h>

int main(void) {
    int n;
    scanf("%d", &n);
    for (int i = 1; i <= n; i++) {
        for (int j = 1; j <= 2 * n - 1; j++) putchar(j > n - i && j < n + i ? '*' : ' ');
        putchar('\n');
    }
}
