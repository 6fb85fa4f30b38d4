// expect: AC
// Files in /tmp are memory too. They end at the limit of disk, which is the lower one.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char block[1 << 20];

int main(void) {
    char word[32], name[32];
    int written = 0;
    for (int i = 0;; i++) {
        snprintf(name, sizeof name, "/tmp/%d", i);
        int file = open(name, O_WRONLY | O_CREAT, 0600);
        if (file < 0 || write(file, block, sizeof block) < (ssize_t)sizeof block) break;
        close(file);
        written++;
    }
    if (written < 8 || written > 16) return 1;
    scanf("%31s", word);
    puts(word);
}
