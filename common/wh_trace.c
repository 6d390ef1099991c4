#include "wh_trace.h"


static int wh_trace_hex(const char *text, size_t len);
static int wh_trace_zero(const char *text, size_t len);


/*
 * version "-" trace-id "-" parent-id "-" trace-flags; behind those of a later
 * version there may be more, after another "-".
 */

int
wh_trace_parent_valid(const char *text, size_t len)
{
    size_t  i;

    if (len < 55 || len > WH_TRACE_PARENT_MAX) {
        return 0;
    }

    if (!wh_trace_hex(text, 2) || text[2] != '-'
        || !wh_trace_hex(text + 3, 32) || text[35] != '-'
        || !wh_trace_hex(text + 36, 16) || text[52] != '-'
        || !wh_trace_hex(text + 53, 2)
        || wh_trace_zero(text + 3, 32) || wh_trace_zero(text + 36, 16))
    {
        return 0;
    }

    if (text[0] == 'f' && text[1] == 'f') {
        return 0;
    }

    if (len == 55) {
        return 1;
    }

    for (i = 55; i < len; i++) {
        if (text[i] < 0x21 || text[i] > 0x7E) {
            return 0;
        }
    }

    return text[55] == '-' && !wh_trace_zero(text, 2);
}


int
wh_trace_state_valid(const char *text, size_t len)
{
    size_t  i;

    if (len < 1 || len > WH_TRACE_STATE_MAX) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        if (text[i] != '\t' && (text[i] < 0x20 || text[i] > 0x7E)) {
            return 0;
        }
    }

    return 1;
}


/* Lower case alone: §3.2.2. */

static int
wh_trace_hex(const char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (!((text[i] >= '0' && text[i] <= '9')
              || (text[i] >= 'a' && text[i] <= 'f')))
        {
            return 0;
        }
    }

    return 1;
}


static int
wh_trace_zero(const char *text, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (text[i] != '0') {
            return 0;
        }
    }

    return 1;
}
