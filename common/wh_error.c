#include "wh_error.h"

#include <stdarg.h>
#include <stdio.h>


int
wh_error_set(wh_error_t *err, int rc, const char *fmt, ...)
{
    va_list  args;

    if (err == NULL) {
        return rc;
    }

    err->reason = NULL;
    err->pointer = NULL;

    va_start(args, fmt);
    (void) vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);

    return rc;
}
