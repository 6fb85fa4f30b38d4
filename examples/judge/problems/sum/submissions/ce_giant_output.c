// expect: CE
// A short source, and a program of a gigabyte: the compiler reaches its limit of file size.
char giant[1 << 30] = {1};
int main(void) { return giant[0]; }
