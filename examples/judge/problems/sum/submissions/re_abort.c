// expect: RE
#include <stdlib.h>

int main(void) {
    abort();
}
