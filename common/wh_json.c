#define _GNU_SOURCE             /* strtod_l() */

#include "wh_json.h"
#include "wh_json_check.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define WH_JSON_DIGITS     16      /* so many always fit into an int64_t */


int
wh_json_parse(const char *text, size_t len, wh_object_t *object,
    wh_error_t *err)
{
    int  rc;

    wh_json_init(object);

    rc = wh_json_check(text, len, object, err);

    if (rc == WH_OK && text[strspn(text, " \t\n\r")] != '{') {
        rc = wh_error_set(err, WH_ECOMMAND, "a JSON object was expected");

        if (err != NULL) {
            err->reason = "not_an_object";
        }
    }

    if (rc != WH_OK) {
        wh_json_free(object);
    }

    return rc;
}


int
wh_json_text(const wh_member_t *m, char *dst, size_t size, size_t *len)
{
    char        *decoded;
    const char  *src;

    if (m == NULL || *m->value != '"') {
        return WH_ECOMMAND;
    }

    decoded = NULL;
    src = m->value + 1;
    *len = m->len - 2;

    if (m->escaped) {

        decoded = wh_json_decode(m->value, m->len);
        if (decoded == NULL) {
            return WH_NOMEM;
        }

        src = decoded;
        *len = strlen(decoded);
    }

    if (*len < size) {
        memcpy(dst, src, *len);
        dst[*len] = '\0';
    }

    free(decoded);

    return (*len < size) ? WH_OK : WH_ECOMMAND;
}


int
wh_json_integer(const wh_member_t *m, int64_t min, int64_t max,
    int64_t *result)
{
    char    *end;
    size_t   i;
    double   n;

    if (m == NULL || (*m->value != '-' && (*m->value < '0' || *m->value > '9')))
    {
        return WH_ECOMMAND;
    }

    *result = 0;

    for (i = 0; i < m->len && i < WH_JSON_DIGITS; i++) {

        if (m->value[i] < '0' || m->value[i] > '9') {
            break;
        }

        *result = *result * 10 + (m->value[i] - '0');
    }

    if (i == m->len) {
        return (*result >= min && *result <= max) ? WH_OK : WH_ECOMMAND;
    }

    /*
     * The number is in an object, so something that is none follows it.  The
     * process may have another locale; the C locale takes no memory.
     */

    n = strtod_l(m->value, &end, newlocale(LC_ALL_MASK, "C", (locale_t) 0));

    if (end != m->value + m->len
        || !(n >= (double) min && n <= (double) max))
    {
        return WH_ECOMMAND;
    }

    *result = (int64_t) n;

    return ((double) *result == n) ? WH_OK : WH_ECOMMAND;
}


size_t
wh_json_string(char *dst, const char *src, size_t len)
{
    char                *d;
    size_t               i, size;
    unsigned char        ch;
    static const char    hex[] = "0123456789abcdef";

    if (dst == NULL) {
        size = len + 2;

        for (i = 0; i < len; i++) {
            ch = (unsigned char) src[i];

            if (ch == '"' || ch == '\\') {
                size++;

            } else if (ch < 0x20) {
                size += sizeof("\\u001f") - 2;
            }
        }

        return size;
    }

    d = dst;
    *d++ = '"';

    for (i = 0; i < len; i++) {
        ch = (unsigned char) src[i];

        if (ch < 0x20) {
            memcpy(d, "\\u00", 4);
            d[4] = hex[ch >> 4];
            d[5] = hex[ch & 15];
            d += 6;
            continue;
        }

        if (ch == '"' || ch == '\\') {
            *d++ = '\\';
        }

        *d++ = (char) ch;
    }

    *d++ = '"';

    return (size_t) (d - dst);
}


size_t
wh_json_int(char *dst, int64_t n)
{
    char       buf[WH_JSON_INT_LEN], *p;
    size_t     len;
    uint64_t   u;

    p = buf + sizeof(buf);
    u = (n < 0) ? 0 - (uint64_t) n : (uint64_t) n;

    do {
        *--p = (char) ('0' + u % 10);
        u /= 10;
    } while (u != 0);

    if (n < 0) {
        *--p = '-';
    }

    len = (size_t) (buf + sizeof(buf) - p);
    memcpy(dst, p, len);

    return len;
}
