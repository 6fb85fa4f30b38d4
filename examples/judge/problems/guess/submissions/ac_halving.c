// expect: AC
#include <stdio.h>
#include <string.h>

int main(void) {
    long long low = 1, high;
    char word[16] = "";
    scanf("%lld", &high);
    while (strcmp(word, "correct") != 0) {
        long long middle = low + (high - low) / 2;
        printf("%lld\n", middle);
        fflush(stdout);
        if (scanf("%15s", word) != 1) return 1;
        if (strcmp(word, "higher") == 0) low = middle + 1;
        else high = middle - 1;
    }
}
