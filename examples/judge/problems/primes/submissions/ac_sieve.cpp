// expect: AC
#include <cstdio>
#include <vector>

int main() {
    int n, count = 0;
    std::scanf("%d", &n);
    std::vector<bool> composite(n + 1);
    for (int i = 2; i <= n; i++) {
        if (composite[i]) continue;
        count++;
        for (long long j = (long long)i * i; j <= n; j += i) composite[j] = true;
    }
    std::printf("%d\n", count);
}
