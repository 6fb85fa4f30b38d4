// expect: WA
// Right on small numbers, so the first tests are accepted.
#include <stdint.h>
#include <stdio.h>

int main(void) {
    long long a, b;
    scanf("%lld %lld", &a, &b);
    printf("%d\n", (int32_t)((uint32_t)a + (uint32_t)b));
}
