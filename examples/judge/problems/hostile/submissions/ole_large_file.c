// expect: OLE
// One file beyond the limit of file size: the kernel sends SIGXFSZ.
#include <fcntl.h>
#include <unistd.h>

static char block[1 << 20];

int main(void) {
    int file = open("/tmp/file", O_WRONLY | O_CREAT, 0600);
    for (int i = 0; i < 8; i++) write(file, block, sizeof block);
    return 1;
}
