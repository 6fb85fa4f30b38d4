// expect: CE
// Files of the host are not there for the compiler either, so they cannot come out in its messages.
#include "/etc/shadow"
#include "/root/.bashrc"
int main(void) { return 0; }
