/*
 * The first byte says which field the others are: positions, Prefer, or a trace
 * context.  Written anew in another way, each has to come to the same.
 */

#include "fuzz.h"

#include <inttypes.h>
#include <stdio.h>

#include "wh_position.h"
#include "wh_prefer.h"
#include "wh_trace.h"


/* What is given is written as it is, and nothing else is. */

static void
fuzz_positions(const char *text, size_t len)
{
    int             rc, n;
    char            again[64];
    size_t          left;
    const char     *p, *found;
    wh_position_t   position;

    p = text;
    left = len;

    do {
        rc = wh_position_next(&position, &p, &left);
        fuzz_check(p + left == text + len);

        if (rc == WH_OK) {
            n = snprintf(again, sizeof(again), "%" PRId32 ":%" PRId64,
                         position.partition, position.offset);
            fuzz_check(n > 0 && n <= WH_POSITION_LEN);

            for (found = text; found + n <= p; found++) {
                if (memcmp(found, again, (size_t) n) == 0) {
                    break;
                }
            }

            fuzz_check(found + n <= p);
        }
    } while (rc == WH_OK);

    fuzz_check(rc == WH_NONE || rc == WH_ECOMMAND);
    fuzz_check(rc == WH_ECOMMAND || left == 0);
}


static void
fuzz_prefer(const char *text, size_t len)
{
    char     *more;
    int32_t   seconds;

    seconds = wh_prefer_wait(text, len);
    fuzz_check(seconds >= -1);

    /* what comes behind the first one does not count */

    more = fuzz_alloc(len + 8);
    memcpy(more, "wait=5,", 7);
    memcpy(more + 7, text, len);
    fuzz_check(wh_prefer_wait(more, len + 7) == 5);
    free(more);
}


static void
fuzz_trace(const char *text, size_t len)
{
    size_t  i;

    if (wh_trace_parent_valid(text, len)) {
        fuzz_check(len >= 55 && len <= 255);
        fuzz_check(text[2] == '-' && text[35] == '-' && text[52] == '-');
        fuzz_check(memcmp(text, "ff", 2) != 0);

        for (i = 0; i < len; i++) {
            fuzz_check(text[i] > 0x20 && text[i] < 0x7F);
        }
    }

    if (wh_trace_state_valid(text, len)) {
        for (i = 0; i < len; i++) {
            fuzz_check(text[i] == '\t' || (text[i] >= 0x20 && text[i] < 0x7F));
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char  *text;

    if (len == 0) {
        return 0;
    }

    text = fuzz_alloc(len - 1);
    memcpy(text, data + 1, len - 1);

    switch (*data % 3) {

    case 0:
        fuzz_positions(text, len - 1);
        break;

    case 1:
        fuzz_prefer(text, len - 1);
        break;

    default:
        fuzz_trace(text, len - 1);
        break;
    }

    free(text);

    return 0;
}
