#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void wp_check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "warmpath: invariant broken: %s (%s:%d)\n", expression, file, line);
    abort();
}
