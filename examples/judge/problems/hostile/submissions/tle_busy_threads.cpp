// expect: TLE
// The CPU time of all threads counts together.
#include <atomic>
#include <thread>

std::atomic<long> count;

int main() {
    auto busy = [] {
        for (;;) count++;
    };
    std::thread one(busy), other(busy);
    one.join();
}
