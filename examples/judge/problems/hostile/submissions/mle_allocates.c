// expect: MLE; best effort: RE
#include <stdlib.h>
#include <string.h>

int main(void) {
    for (;;) {
        char *memory = malloc(1 << 20);
        if (!memory) abort();
        memset(memory, 1, 1 << 20);
    }
}
