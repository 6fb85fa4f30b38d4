// expect: AC
#include <iostream>
#include <string>

int main() {
    long long low = 1, high;
    std::string word;
    std::cin >> high;
    while (word != "correct") {
        long long middle = low + (high - low) / 2;
        std::cout << middle << std::endl;
        if (!(std::cin >> word)) return 1;
        if (word == "higher") low = middle + 1;
        else high = middle - 1;
    }
}
