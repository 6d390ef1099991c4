#include "wh_json_check.h"

#include <string.h>


typedef struct {
    const unsigned char  *start;
    const unsigned char  *p;
    const unsigned char  *end;
    wh_object_t          *object;
    int                   depth;
    int                   escaped;      /* the last string has escapes */
    wh_error_t           *err;
} wh_check_t;


/* Bytes of ASCII that stand in a string as they are. */

static const unsigned char  wh_check_plain[256] = {
    [0x20 ... 0x21] = 1,        /* not '"' */
    [0x23 ... 0x5B] = 1,        /* not '\\' */
    [0x5D ... 0x7F] = 1
};


static int wh_check_value(wh_check_t *c);
static int wh_check_object(wh_check_t *c);
static int wh_check_member(wh_check_t *c);
static int wh_check_array(wh_check_t *c);
static int wh_check_string(wh_check_t *c);
static int wh_check_escape(wh_check_t *c);
static int wh_check_hex4(wh_check_t *c, unsigned *code);
static int wh_check_utf8(wh_check_t *c);
static int wh_check_number(wh_check_t *c);
static int wh_check_digits(wh_check_t *c);
static int wh_check_word(wh_check_t *c, const char *word);


static int
wh_check_fail(wh_check_t *c, const char *reason, const char *what)
{
    (void) wh_error_set(c->err, WH_EJSON, "%s at byte %zu", what,
                        (size_t) (c->p - c->start));

    if (c->err != NULL) {
        c->err->reason = reason;
    }

    return WH_EJSON;
}


static int
wh_check_grammar(wh_check_t *c, const char *expected)
{
    if (c->p == c->end) {
        return wh_check_fail(c, "invalid_json", "the JSON text ends too early");
    }

    return wh_check_fail(c, "invalid_json", expected);
}


static void
wh_check_space(wh_check_t *c)
{
    while (c->p < c->end
           && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n'
               || *c->p == '\r'))
    {
        c->p++;
    }
}


int
wh_json_check(const char *text, size_t len, wh_object_t *object,
    wh_error_t *err)
{
    int         rc;
    wh_check_t  c;

    c.start = (const unsigned char *) text;
    c.p = c.start;
    c.end = c.start + len;
    c.object = object;
    c.depth = 0;
    c.err = err;

    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        return wh_check_fail(&c, "invalid_json",
                             "a byte order mark is not allowed");
    }

    wh_check_space(&c);

    if (c.p == c.end) {
        return wh_check_fail(&c, "empty", "no JSON text");
    }

    rc = wh_check_value(&c);

    if (rc != WH_OK) {
        return rc;
    }

    wh_check_space(&c);

    if (c.p != c.end) {
        return wh_check_fail(&c, "invalid_json",
                             "more bytes after the JSON text");
    }

    return WH_OK;
}


/* Checks one value; c->p is at its first byte, afterwards behind its last. */

static int
wh_check_value(wh_check_t *c)
{
    int  rc;

    if (c->p == c->end) {
        return wh_check_grammar(c, "");
    }

    switch (*c->p) {

    case '{':
    case '[':
        if (c->depth == WH_JSON_MAX_DEPTH) {
            return wh_check_fail(c, "too_deep", "nested too deeply");
        }

        c->depth++;
        rc = (*c->p == '{') ? wh_check_object(c) : wh_check_array(c);
        c->depth--;

        return rc;

    case '"':
        return wh_check_string(c);

    case 't':
        return wh_check_word(c, "true");

    case 'f':
        return wh_check_word(c, "false");

    case 'n':
        return wh_check_word(c, "null");

    default:
        return wh_check_number(c);
    }
}


static int
wh_check_object(wh_check_t *c)
{
    int  rc;

    c->p++;
    wh_check_space(c);

    if (c->p < c->end && *c->p == '}') {
        c->p++;
        return WH_OK;
    }

    for ( ;; ) {
        rc = wh_check_member(c);
        if (rc != WH_OK) {
            return rc;
        }

        wh_check_space(c);

        if (c->p < c->end && *c->p == '}') {
            c->p++;
            return WH_OK;
        }

        if (c->p == c->end || *c->p != ',') {
            return wh_check_grammar(c, "\",\" or \"}\" was expected");
        }

        c->p++;
        wh_check_space(c);
    }
}


/* Checks one member, and notes it if it belongs to the outermost object. */

static int
wh_check_member(wh_check_t *c)
{
    int                   escaped, rc;
    wh_member_t          *m;
    const unsigned char  *name, *end, *value;

    if (c->p == c->end || *c->p != '"') {
        return wh_check_grammar(c, "a name in quotes was expected");
    }

    name = c->p + 1;

    rc = wh_check_string(c);
    if (rc != WH_OK) {
        return rc;
    }

    end = c->p - 1;
    escaped = c->escaped;

    wh_check_space(c);

    if (c->p == c->end || *c->p != ':') {
        return wh_check_grammar(c, "\":\" was expected");
    }

    c->p++;
    wh_check_space(c);

    value = c->p;

    rc = wh_check_value(c);

    if (rc != WH_OK || c->depth > 1) {
        return rc;
    }

    m = wh_json_add(c->object);
    if (m == NULL) {
        return wh_error_set(c->err, WH_NOMEM, "out of memory");
    }

    m->name = (const char *) name;
    m->name_len = (size_t) (end - name);
    m->name_escaped = escaped;
    m->value = (const char *) value;
    m->len = (size_t) (c->p - value);
    m->escaped = c->escaped;

    if (escaped && wh_json_decode_name(c->object) != WH_OK) {
        return wh_error_set(c->err, WH_NOMEM, "out of memory");
    }

    return WH_OK;
}


static int
wh_check_array(wh_check_t *c)
{
    int  rc;

    c->p++;
    wh_check_space(c);

    if (c->p < c->end && *c->p == ']') {
        c->p++;
        return WH_OK;
    }

    for ( ;; ) {
        rc = wh_check_value(c);
        if (rc != WH_OK) {
            return rc;
        }

        wh_check_space(c);

        if (c->p < c->end && *c->p == ']') {
            c->p++;
            return WH_OK;
        }

        if (c->p == c->end || *c->p != ',') {
            return wh_check_grammar(c, "\",\" or \"]\" was expected");
        }

        c->p++;
        wh_check_space(c);
    }
}


static int
wh_check_string(wh_check_t *c)
{
    int  rc;

    c->p++;
    c->escaped = 0;

    for ( ;; ) {

        while (c->p < c->end && wh_check_plain[*c->p]) {
            c->p++;
        }

        if (c->p == c->end) {
            return wh_check_grammar(c, "");
        }

        if (*c->p == '"') {
            c->p++;
            return WH_OK;
        }

        if (*c->p < 0x20) {
            return wh_check_fail(c, "invalid_json",
                                 "a control character in a string");
        }

        if (*c->p == '\\') {
            c->escaped = 1;
            rc = wh_check_escape(c);

        } else {
            rc = wh_check_utf8(c);
        }

        if (rc != WH_OK) {
            return rc;
        }
    }
}


static int
wh_check_escape(wh_check_t *c)
{
    int       rc;
    unsigned  code, low;

    c->p++;

    if (c->p == c->end) {
        return wh_check_grammar(c, "");
    }

    if (*c->p != 'u') {
        if (*c->p == '\0' || strchr("\"\\/bfnrt", *c->p) == NULL) {
            return wh_check_grammar(c, "an unknown escape");
        }

        c->p++;
        return WH_OK;
    }

    rc = wh_check_hex4(c, &code);
    if (rc != WH_OK) {
        return rc;
    }

    if (code == 0) {
        return wh_check_fail(c, "nul_character", "U+0000 in a string");
    }

    if (code < 0xD800 || code > 0xDFFF) {
        return WH_OK;
    }

    if (code > 0xDBFF || c->end - c->p < 2 || c->p[0] != '\\'
        || c->p[1] != 'u')
    {
        return wh_check_fail(c, "lone_surrogate", "a lone surrogate");
    }

    c->p++;

    rc = wh_check_hex4(c, &low);
    if (rc != WH_OK) {
        return rc;
    }

    if (low < 0xDC00 || low > 0xDFFF) {
        return wh_check_fail(c, "lone_surrogate", "a lone surrogate");
    }

    return WH_OK;
}


/* Reads the four digits behind the "u" that c->p is at. */

static int
wh_check_hex4(wh_check_t *c, unsigned *code)
{
    int            i;
    unsigned char  ch;

    c->p++;
    *code = 0;

    for (i = 0; i < 4; i++, c->p++) {

        if (c->p == c->end) {
            return wh_check_grammar(c, "");
        }

        ch = *c->p;

        if (ch >= '0' && ch <= '9') {
            *code = *code * 16 + (ch - '0');

        } else if ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f') {
            *code = *code * 16 + ((ch | 0x20) - 'a' + 10);

        } else {
            return wh_check_grammar(c, "four hexadecimal digits were expected");
        }
    }

    return WH_OK;
}


/* One well-formed sequence of two to four bytes (Unicode, table 3-7). */

static int
wh_check_utf8(wh_check_t *c)
{
    size_t         i, n;
    unsigned char  first, min, max;

    first = *c->p;
    min = 0x80;
    max = 0xBF;

    if (first >= 0xC2 && first <= 0xDF) {
        n = 1;

    } else if (first >= 0xE0 && first <= 0xEF) {
        n = 2;

        if (first == 0xE0) {
            min = 0xA0;

        } else if (first == 0xED) {
            max = 0x9F;
        }

    } else if (first >= 0xF0 && first <= 0xF4) {
        n = 3;

        if (first == 0xF0) {
            min = 0x90;

        } else if (first == 0xF4) {
            max = 0x8F;
        }

    } else {
        return wh_check_fail(c, "invalid_utf8", "invalid UTF-8");
    }

    if ((size_t) (c->end - c->p) <= n) {
        return wh_check_fail(c, "invalid_utf8", "invalid UTF-8");
    }

    for (i = 1; i <= n; i++) {
        if (c->p[i] < min || c->p[i] > max) {
            return wh_check_fail(c, "invalid_utf8", "invalid UTF-8");
        }

        min = 0x80;
        max = 0xBF;
    }

    c->p += n + 1;

    return WH_OK;
}


static int
wh_check_number(wh_check_t *c)
{
    if (*c->p == '-') {
        c->p++;
    }

    if (c->p < c->end && *c->p == '0') {
        c->p++;

    } else if (wh_check_digits(c) != WH_OK) {
        return wh_check_grammar(c, "a JSON value was expected");
    }

    if (c->p < c->end && *c->p == '.') {
        c->p++;

        if (wh_check_digits(c) != WH_OK) {
            return wh_check_grammar(c, "a digit was expected");
        }
    }

    if (c->p < c->end && (*c->p | 0x20) == 'e') {
        c->p++;

        if (c->p < c->end && (*c->p == '+' || *c->p == '-')) {
            c->p++;
        }

        if (wh_check_digits(c) != WH_OK) {
            return wh_check_grammar(c, "a digit was expected");
        }
    }

    return WH_OK;
}


static int
wh_check_digits(wh_check_t *c)
{
    const unsigned char  *first;

    first = c->p;

    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        c->p++;
    }

    return (c->p > first) ? WH_OK : WH_EJSON;
}


static int
wh_check_word(wh_check_t *c, const char *word)
{
    while (*word != '\0') {

        if (c->p == c->end || *c->p != (unsigned char) *word) {
            return wh_check_grammar(c, "a JSON value was expected");
        }

        c->p++;
        word++;
    }

    return WH_OK;
}
