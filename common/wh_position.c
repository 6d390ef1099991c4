#include "wh_position.h"

#include <string.h>


static int wh_position_number(const char *text, size_t len, int64_t max,
    int64_t *n);
static int wh_position_blank(char ch);


int
wh_position_parse(wh_position_t *position, const char *text, size_t len)
{
    size_t   colon;
    int64_t  partition;

    for (colon = 0; colon < len && text[colon] != ':'; colon++) {
        /* void */
    }

    if (colon == len
        || wh_position_number(text, colon, INT32_MAX, &partition) != WH_OK
        || wh_offset_parse(&position->offset, text + colon + 1,
                           len - colon - 1)
           != WH_OK)
    {
        return WH_ECOMMAND;
    }

    position->partition = (int32_t) partition;

    return WH_OK;
}


int
wh_offset_parse(int64_t *offset, const char *text, size_t len)
{
    return wh_position_number(text, len, INT64_MAX, offset);
}


int
wh_offset_behind_parse(int64_t *offset, const char *text, size_t len)
{
    if (len == 2 && memcmp(text, "-1", 2) == 0) {
        *offset = -1;
        return WH_OK;
    }

    return wh_offset_parse(offset, text, len);
}


/* As it is written: without a sign or leading zeros. */

static int
wh_position_number(const char *text, size_t len, int64_t max, int64_t *n)
{
    size_t  i;

    if (len == 0 || (len > 1 && text[0] == '0')) {
        return WH_ECOMMAND;
    }

    *n = 0;

    for (i = 0; i < len; i++) {

        if (text[i] < '0' || text[i] > '9'
            || *n > (max - (text[i] - '0')) / 10)
        {
            return WH_ECOMMAND;
        }

        *n = *n * 10 + (text[i] - '0');
    }

    return WH_OK;
}


int
wh_position_next(wh_position_t *position, const char **text, size_t *len)
{
    size_t       n;
    const char  *p;

    /* an element may be empty */

    while (*len > 0 && (**text == ',' || wh_position_blank(**text))) {
        (*text)++;
        (*len)--;
    }

    if (*len == 0) {
        return WH_NONE;
    }

    p = *text;

    for (n = 0; n < *len && p[n] != ','; n++) {
        /* void */
    }

    *text += n;
    *len -= n;

    while (wh_position_blank(p[n - 1])) {
        n--;
    }

    return wh_position_parse(position, p, n);
}


static int
wh_position_blank(char ch)
{
    return ch == ' ' || ch == '\t';
}
