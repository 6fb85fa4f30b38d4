// Tells n; answers each guess with "higher", "lower" or "correct". The file of the test has n, the number to be
// found, and how many guesses there may be.
//
// Exit codes: 0 found, 1 wrong, 2 the guesses ended before that.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void verdict(int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    exit(code);
}

static void say(const char *word) {
    printf("%s\n", word);
    fflush(stdout);
}

int main(int count, char **arguments) {
    long long n, number, most, guess;
    FILE *test = count > 1 ? fopen(arguments[1], "r") : NULL;
    if (!test || fscanf(test, "%lld %lld %lld", &n, &number, &most) != 3) verdict(3, "no test");
    printf("%lld\n", n);
    fflush(stdout);
    for (int asked = 0; asked < most; asked++) {
        int read = scanf("%lld", &guess);
        if (read == EOF) verdict(2, "the end after %d guesses", asked);
        if (read != 1) verdict(1, "guess %d is no number", asked + 1);
        if (guess < 1 || guess > n) verdict(1, "guess %d, %lld, is not in 1..%lld", asked + 1, guess, n);
        if (guess == number) {
            say("correct");
            verdict(0, "found with %d guesses", asked + 1);
        }
        say(guess < number ? "higher" : "lower");
    }
    verdict(1, "not found with %lld guesses", most);
}
