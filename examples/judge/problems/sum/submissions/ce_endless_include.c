// expect: CE
// A compiler that reads for ever reaches its limit of memory.
#include "/dev/zero"
int main(void) { return 0; }
