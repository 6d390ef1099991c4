#include "fuzz.h"


/* in err before a call: what is still there was not set */
static const char  fuzz_untouched[] = "untouched";


void
fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    abort();
}


char *
fuzz_alloc(size_t len)
{
    char  *block;

    block = malloc(len);
    fuzz_check(block != NULL);

    return block;
}


void
fuzz_error_init(wh_error_t *err)
{
    memset(err, 0xA5, sizeof(wh_error_t));
    err->reason = fuzz_untouched;
    err->pointer = fuzz_untouched;
}


void
fuzz_error_check(const wh_error_t *err, const char *pointer)
{
    size_t       len;
    const char  *p;

    fuzz_check(err->reason != NULL && err->reason != fuzz_untouched);
    fuzz_check(err->pointer != fuzz_untouched);

    if (pointer == NULL) {
        fuzz_check(err->pointer == NULL);

    } else {
        fuzz_check(err->pointer != NULL && strcmp(err->pointer, pointer) == 0);
    }

    len = strnlen(err->text, sizeof(err->text));
    fuzz_check(len > 0 && len < sizeof(err->text));

    for (p = err->text; *p != '\0'; p++) {
        fuzz_check(*p >= 0x20 && *p <= 0x7E);
    }
}
