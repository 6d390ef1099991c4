#include "wh_json_check.h"
#include "wh_json_scan.h"

#include <string.h>


typedef struct {
    wh_scan_t     scan;
    wh_object_t  *object;
    int           depth;
} wh_check_t;


static int wh_check_value(wh_check_t *c);
static int wh_check_object(wh_check_t *c);
static int wh_check_member(wh_check_t *c);
static int wh_check_array(wh_check_t *c);


int
wh_json_check(const char *text, size_t len, wh_object_t *object,
    wh_error_t *err)
{
    int         rc;
    wh_check_t  c;

    c.scan.start = (const unsigned char *) text;
    c.scan.p = c.scan.start;
    c.scan.end = c.scan.start + len;
    c.object = object;
    c.depth = 0;
    c.scan.err = err;

    if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        return wh_scan_fail(&c.scan, "invalid_json",
                            "a byte order mark is not allowed");
    }

    wh_scan_space(&c.scan);

    if (c.scan.p == c.scan.end) {
        return wh_scan_fail(&c.scan, "empty", "no JSON text");
    }

    rc = wh_check_value(&c);

    if (rc != WH_OK) {
        return rc;
    }

    wh_scan_space(&c.scan);

    if (c.scan.p != c.scan.end) {
        return wh_scan_fail(&c.scan, "invalid_json",
                            "more bytes after the JSON text");
    }

    return WH_OK;
}


/* Checks one value: the next byte is its first, afterwards the one behind. */

static int
wh_check_value(wh_check_t *c)
{
    int  rc;

    if (c->scan.p == c->scan.end) {
        return wh_scan_grammar(&c->scan, "");
    }

    switch (*c->scan.p) {

    case '{':
    case '[':
        if (c->depth == WH_JSON_MAX_DEPTH) {
            return wh_scan_fail(&c->scan, "too_deep", "nested too deeply");
        }

        c->depth++;
        rc = (*c->scan.p == '{') ? wh_check_object(c) : wh_check_array(c);
        c->depth--;

        return rc;

    case '"':
        return wh_scan_string(&c->scan);

    case 't':
        return wh_scan_word(&c->scan, "true");

    case 'f':
        return wh_scan_word(&c->scan, "false");

    case 'n':
        return wh_scan_word(&c->scan, "null");

    default:
        return wh_scan_number(&c->scan);
    }
}


static int
wh_check_object(wh_check_t *c)
{
    int  rc;

    c->scan.p++;
    wh_scan_space(&c->scan);

    if (c->scan.p < c->scan.end && *c->scan.p == '}') {
        c->scan.p++;
        return WH_OK;
    }

    for ( ;; ) {
        rc = wh_check_member(c);
        if (rc != WH_OK) {
            return rc;
        }

        wh_scan_space(&c->scan);

        if (c->scan.p < c->scan.end && *c->scan.p == '}') {
            c->scan.p++;
            return WH_OK;
        }

        if (c->scan.p == c->scan.end || *c->scan.p != ',') {
            return wh_scan_grammar(&c->scan, "\",\" or \"}\" was expected");
        }

        c->scan.p++;
        wh_scan_space(&c->scan);
    }
}


/* Checks one member, and notes it if it belongs to the outermost object. */

static int
wh_check_member(wh_check_t *c)
{
    int                   escaped, rc;
    wh_member_t          *m;
    const unsigned char  *name, *end, *value;

    if (c->scan.p == c->scan.end || *c->scan.p != '"') {
        return wh_scan_grammar(&c->scan, "a name in quotes was expected");
    }

    name = c->scan.p + 1;

    rc = wh_scan_string(&c->scan);
    if (rc != WH_OK) {
        return rc;
    }

    end = c->scan.p - 1;
    escaped = c->scan.escaped;

    wh_scan_space(&c->scan);

    if (c->scan.p == c->scan.end || *c->scan.p != ':') {
        return wh_scan_grammar(&c->scan, "\":\" was expected");
    }

    c->scan.p++;
    wh_scan_space(&c->scan);

    value = c->scan.p;

    rc = wh_check_value(c);

    if (rc != WH_OK || c->depth > 1) {
        return rc;
    }

    m = wh_json_add(c->object);
    if (m == NULL) {
        return wh_error_set(c->scan.err, WH_NOMEM, "out of memory");
    }

    m->name = (const char *) name;
    m->name_len = (size_t) (end - name);
    m->name_escaped = escaped;
    m->value = (const char *) value;
    m->len = (size_t) (c->scan.p - value);
    m->escaped = c->scan.escaped;

    if (escaped && wh_json_decode_name(c->object) != WH_OK) {
        return wh_error_set(c->scan.err, WH_NOMEM, "out of memory");
    }

    return WH_OK;
}


static int
wh_check_array(wh_check_t *c)
{
    int  rc;

    c->scan.p++;
    wh_scan_space(&c->scan);

    if (c->scan.p < c->scan.end && *c->scan.p == ']') {
        c->scan.p++;
        return WH_OK;
    }

    for ( ;; ) {
        rc = wh_check_value(c);
        if (rc != WH_OK) {
            return rc;
        }

        wh_scan_space(&c->scan);

        if (c->scan.p < c->scan.end && *c->scan.p == ']') {
            c->scan.p++;
            return WH_OK;
        }

        if (c->scan.p == c->scan.end || *c->scan.p != ',') {
            return wh_scan_grammar(&c->scan, "\",\" or \"]\" was expected");
        }

        c->scan.p++;
        wh_scan_space(&c->scan);
    }
}
