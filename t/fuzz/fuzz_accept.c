/*
 * The bytes are Accept fields, one a line: what is preferred does not depend on
 * their order, on the case of letters, on how they are put into fields, and is
 * what another field then asks for.
 */

#include "fuzz.h"

#include "wh_accept.h"

#include <ctype.h>


static const char *const  fuzz_types[] = {
    "application/json", "application/x-ndjson", "text/csv"
};


/* The fields of a text, in its order or backwards, then one more. */

static int
fuzz_best(const char *text, size_t len, int backwards, const char *more)
{
    size_t       begin, end;
    wh_accept_t  accept;

    wh_accept_init(&accept, fuzz_types, fuzz_items(fuzz_types));

    begin = 0;
    end = len;

    while (!backwards && begin <= len) {
        for (end = begin; end < len && text[end] != '\n'; end++) {
            /* void */
        }

        wh_accept_field(&accept, text + begin, end - begin);
        begin = end + 1;
    }

    while (backwards) {
        for (begin = end; begin > 0 && text[begin - 1] != '\n'; begin--) {
            /* void */
        }

        wh_accept_field(&accept, text + begin, end - begin);

        if (begin == 0) {
            break;
        }

        end = begin - 1;
    }

    wh_accept_field(&accept, more, strlen(more));

    return wh_accept_best(&accept);
}


/* Commas that are in no quotes become ends of fields. */

static void
fuzz_part(char *text, size_t len)
{
    int     quoted;
    size_t  i;

    quoted = 0;

    for (i = 0; i < len; i++) {

        if (text[i] == '\n') {
            quoted = 0;

        } else if (quoted && text[i] == '\\' && i + 1 < len
                   && text[i + 1] != '\n')
        {
            i++;

        } else if (text[i] == '"') {
            quoted = !quoted;

        } else if (text[i] == ',' && !quoted) {
            text[i] = '\n';
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int     best;
    char   *text;
    size_t  i;

    text = fuzz_alloc(len);

    if (len > 0) {
        memcpy(text, data, len);
    }

    best = fuzz_best(text, len, 0, "");

    fuzz_check(best >= -1 && best < (int) fuzz_items(fuzz_types));
    fuzz_check(fuzz_best(text, len, 1, "") == best);
    fuzz_check(fuzz_best(text, len, 0, "application/json") == 0);
    fuzz_check(fuzz_best(text, len, 0, "*/*;q=0, text/html") == best
               || best == 0);

    if (fuzz_best(text, len, 0, "text/html") == -1) {

        /* it refuses everything, or says nothing */

        fuzz_check(fuzz_best(text, len, 0, "text/csv;q=0.001") == 2
                   || fuzz_best(text, len, 0, "text/csv;q=0.001") == -1);
        fuzz_check(fuzz_best(text, len, 0, "text/csv") == 2);
    }

    for (i = 0; i < len; i++) {
        text[i] = (char) toupper((unsigned char) text[i]);
    }

    fuzz_check(fuzz_best(text, len, 0, "") == best);

    fuzz_part(text, len);
    fuzz_check(fuzz_best(text, len, 0, "") == best);

    free(text);

    return 0;
}
