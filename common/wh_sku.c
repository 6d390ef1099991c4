#include "wh_sku.h"
#include "wh_error.h"


size_t
wh_utf8(const unsigned char *p, size_t len)
{
    size_t         i, n;
    unsigned char  min, max;

    if (len == 0) {
        return 0;
    }

    min = 0x80;
    max = 0xBF;

    if (*p < 0x80) {
        return 1;

    } else if (*p >= 0xC2 && *p <= 0xDF) {
        n = 1;

    } else if (*p >= 0xE0 && *p <= 0xEF) {
        n = 2;
        min = (*p == 0xE0) ? 0xA0 : min;
        max = (*p == 0xED) ? 0x9F : max;

    } else if (*p >= 0xF0 && *p <= 0xF4) {
        n = 3;
        min = (*p == 0xF0) ? 0x90 : min;
        max = (*p == 0xF4) ? 0x8F : max;

    } else {
        return 0;
    }

    if (len <= n) {
        return 0;
    }

    for (i = 1; i <= n; i++) {
        if (p[i] < min || p[i] > max) {
            return 0;
        }

        min = 0x80;
        max = 0xBF;
    }

    return n + 1;
}


int
wh_sku_text(const char *text, size_t len)
{
    size_t                i, n;
    const unsigned char  *s;

    s = (const unsigned char *) text;

    for (i = 0; i < len; i += n) {
        n = wh_utf8(s + i, len - i);

        /* C1 is U+0080..U+009F, in UTF-8 C2 80..C2 9F */

        if (n == 0 || s[i] < 0x20 || s[i] == 0x7F
            || (s[i] == 0xC2 && s[i + 1] <= 0x9F))
        {
            return 0;
        }
    }

    return 1;
}


int
wh_sku_valid(const char *sku, size_t len)
{
    return len >= 1 && len <= WH_SKU_MAX && wh_sku_text(sku, len);
}


int
wh_percent_decode(char *dst, size_t *n, const char *text, size_t len)
{
    int     high, low;
    size_t  i;

    *n = 0;

    for (i = 0; i < len; i++) {

        if (text[i] != '%') {
            dst[(*n)++] = text[i];
            continue;
        }

        if (len - i < 3) {
            return WH_ECOMMAND;
        }

        high = wh_hex_digit(text[i + 1]);
        low = wh_hex_digit(text[i + 2]);

        if (high < 0 || low < 0) {
            return WH_ECOMMAND;
        }

        dst[(*n)++] = (char) (high << 4 | low);
        i += 2;
    }

    return WH_OK;
}


int
wh_hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }

    ch |= 0x20;

    return (ch >= 'a' && ch <= 'f') ? ch - 'a' + 10 : -1;
}
