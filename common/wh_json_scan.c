#include "wh_json_scan.h"
#include "wh_sku.h"

#include <string.h>


const unsigned char  wh_scan_plain[256] = {
    [0x20 ... 0x21] = 1,        /* not '"' */
    [0x23 ... 0x5B] = 1,        /* not '\\' */
    [0x5D ... 0x7F] = 1
};


static int wh_scan_escape(wh_scan_t *s);
static int wh_scan_hex4(wh_scan_t *s, unsigned *code);
static int wh_scan_utf8(wh_scan_t *s);
static int wh_scan_digits(wh_scan_t *s);


int
wh_scan_fail(wh_scan_t *s, const char *reason, const char *what)
{
    (void) wh_error_set(s->err, WH_EJSON, "%s at byte %zu", what,
                        (size_t) (s->p - s->start));

    if (s->err != NULL) {
        s->err->reason = reason;
    }

    return WH_EJSON;
}


int
wh_scan_grammar(wh_scan_t *s, const char *expected)
{
    if (s->p == s->end) {
        return wh_scan_fail(s, "invalid_json", "the JSON text ends too early");
    }

    return wh_scan_fail(s, "invalid_json", expected);
}


int
wh_scan_string_rest(wh_scan_t *s)
{
    int  rc;

    for ( ;; ) {

        if (s->p == s->end) {
            return wh_scan_grammar(s, "");
        }

        if (*s->p == '"') {
            s->p++;
            return WH_OK;
        }

        if (*s->p < 0x20) {
            return wh_scan_fail(s, "invalid_json",
                                "a control character in a string");
        }

        if (*s->p == '\\') {
            s->escaped = 1;
            rc = wh_scan_escape(s);

        } else {
            rc = wh_scan_utf8(s);
        }

        if (rc != WH_OK) {
            return rc;
        }

        wh_scan_run(s);
    }
}


static int
wh_scan_escape(wh_scan_t *s)
{
    int       rc;
    unsigned  code, low;

    s->p++;

    if (s->p == s->end) {
        return wh_scan_grammar(s, "");
    }

    if (*s->p != 'u') {
        if (*s->p == '\0' || strchr("\"\\/bfnrt", *s->p) == NULL) {
            return wh_scan_grammar(s, "an unknown escape");
        }

        s->p++;
        return WH_OK;
    }

    rc = wh_scan_hex4(s, &code);
    if (rc != WH_OK) {
        return rc;
    }

    if (code == 0) {
        return wh_scan_fail(s, "nul_character", "U+0000 in a string");
    }

    if (code < 0xD800 || code > 0xDFFF) {
        return WH_OK;
    }

    if (code > 0xDBFF || s->end - s->p < 2 || s->p[0] != '\\'
        || s->p[1] != 'u')
    {
        return wh_scan_fail(s, "lone_surrogate", "a lone surrogate");
    }

    s->p++;

    rc = wh_scan_hex4(s, &low);
    if (rc != WH_OK) {
        return rc;
    }

    if (low < 0xDC00 || low > 0xDFFF) {
        return wh_scan_fail(s, "lone_surrogate", "a lone surrogate");
    }

    return WH_OK;
}


/* Reads the four digits behind the "u" that s->p is at. */

static int
wh_scan_hex4(wh_scan_t *s, unsigned *code)
{
    int  i, digit;

    s->p++;
    *code = 0;

    for (i = 0; i < 4; i++, s->p++) {

        if (s->p == s->end) {
            return wh_scan_grammar(s, "");
        }

        digit = wh_hex_digit((char) *s->p);

        if (digit < 0) {
            return wh_scan_grammar(s, "four hexadecimal digits were expected");
        }

        *code = *code * 16 + (unsigned) digit;
    }

    return WH_OK;
}


/* One well-formed sequence of two to four bytes (Unicode, table 3-7). */

static int
wh_scan_utf8(wh_scan_t *s)
{
    size_t  n;

    n = wh_utf8(s->p, (size_t) (s->end - s->p));

    if (n == 0) {
        return wh_scan_fail(s, "invalid_utf8", "invalid UTF-8");
    }

    s->p += n;

    return WH_OK;
}


int
wh_scan_number(wh_scan_t *s)
{
    if (*s->p == '-') {
        s->p++;
    }

    if (s->p < s->end && *s->p == '0') {
        s->p++;

    } else if (wh_scan_digits(s) != WH_OK) {
        return wh_scan_grammar(s, "a JSON value was expected");
    }

    if (s->p < s->end && *s->p == '.') {
        s->p++;

        if (wh_scan_digits(s) != WH_OK) {
            return wh_scan_grammar(s, "a digit was expected");
        }
    }

    if (s->p < s->end && (*s->p | 0x20) == 'e') {
        s->p++;

        if (s->p < s->end && (*s->p == '+' || *s->p == '-')) {
            s->p++;
        }

        if (wh_scan_digits(s) != WH_OK) {
            return wh_scan_grammar(s, "a digit was expected");
        }
    }

    return WH_OK;
}


static int
wh_scan_digits(wh_scan_t *s)
{
    const unsigned char  *first;

    first = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        s->p++;
    }

    return (s->p > first) ? WH_OK : WH_EJSON;
}


int
wh_scan_word(wh_scan_t *s, const char *word)
{
    while (*word != '\0') {

        if (s->p == s->end || *s->p != (unsigned char) *word) {
            return wh_scan_grammar(s, "a JSON value was expected");
        }

        s->p++;
        word++;
    }

    return WH_OK;
}
