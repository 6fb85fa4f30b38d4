// expect: MLE; best effort: RE
// Forty bytes for each number, where one is enough: too much on the last test only.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    long long number, factor, rest[3];
};

int main(void) {
    int n, count = 0;
    scanf("%d", &n);
    struct entry *table = malloc((n + 1) * sizeof *table);
    if (!table) return 1;
    memset(table, 0, (n + 1) * sizeof *table);
    for (int i = 2; i <= n; i++) {
        table[i].number = i;
        if (table[i].factor) continue;
        count++;
        for (long long j = (long long)i * i; j <= n; j += i) table[j].factor = i;
    }
    printf("%d\n", count);
}
