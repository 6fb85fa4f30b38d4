// expect: AC
// Leaves processes of other sessions behind, deaf to signals, with its output open. They end with the program,
// and nobody waits for them.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void straggle(void) {
    setsid();
    if (fork() > 0) _exit(0);
    for (int number = 1; number < 65; number++) signal(number, SIG_IGN);
    for (;;) pause();
}

int main(void) {
    char word[32];
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) straggle();
    }
    scanf("%31s", word);
    puts(word);
}
