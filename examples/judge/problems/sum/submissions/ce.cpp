// expect: CE
int main() {
    std::cout << 1;
}
