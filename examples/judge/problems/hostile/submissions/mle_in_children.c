// expect: MLE; best effort: AC
// Each process stays far below the limit, all together do not. Only a cgroup counts them together.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int status;
    char word[32];
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            memset(malloc(24 << 20), 1, 24 << 20);
            raise(SIGSTOP);
        }
        // It has stopped, with its memory, or was killed for it.
        waitpid(-1, &status, WUNTRACED);
        if (!WIFSTOPPED(status)) return 1;
    }
    scanf("%31s", word);
    puts(word);
}
