// expect: WA
#include <iostream>

int main() {
    long long a, b;
    std::cin >> a >> b;
    std::cout << "the sum is " << a + b << std::endl;
}
