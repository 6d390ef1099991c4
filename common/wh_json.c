#define _GNU_SOURCE             /* strtod_l() */

#include "wh_json.h"
#include "wh_json_check.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#if CJSON_VERSION_MAJOR < 1 || CJSON_VERSION_MAJOR == 1                       \
    && (CJSON_VERSION_MINOR < 7                                               \
        || CJSON_VERSION_MINOR == 7 && CJSON_VERSION_PATCH < 13)
#error "cJSON 1.7.13 or newer is needed: cJSON_ParseWithLength()"
#endif


#define WH_JSON_FEW_NAMES  8
#define WH_JSON_DIGITS     16      /* so many always fit into an int64_t */


static char *wh_json_decode(const char *text, size_t len);
static int wh_json_named(const wh_member_t *m, const char *name, size_t len);
static int wh_json_twice(wh_error_t *err);
static int wh_json_compare_names(const void *a, const void *b);


int
wh_json_parse(const char *text, size_t len, wh_object_t *object,
    wh_error_t *err)
{
    int  rc;

    object->members = object->few;
    object->n = 0;
    object->max = WH_JSON_MEMBERS;

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


void
wh_json_free(wh_object_t *o)
{
    size_t  i;

    for (i = 0; i < o->n; i++) {
        if (o->members[i].name_escaped) {
            free((char *) o->members[i].name);
        }
    }

    if (o->members != o->few) {
        free(o->members);
    }
}


wh_member_t *
wh_json_add(wh_object_t *o)
{
    wh_member_t  *m;

    if (o->n == o->max) {

        m = malloc(2 * o->max * sizeof(wh_member_t));
        if (m == NULL) {
            return NULL;
        }

        memcpy(m, o->members, o->n * sizeof(wh_member_t));

        if (o->members != o->few) {
            free(o->members);
        }

        o->members = m;
        o->max *= 2;
    }

    return &o->members[o->n++];
}


int
wh_json_decode_name(wh_object_t *o)
{
    wh_member_t  *m;

    m = &o->members[o->n - 1];

    /* with its quotes it is the text of a string */

    m->name = wh_json_decode(m->name - 1, m->name_len + 2);

    if (m->name == NULL) {
        o->n--;
        return WH_NOMEM;
    }

    m->name_len = strlen(m->name);

    return WH_OK;
}


/* A string with escapes, as a copy with a NUL; NULL: out of memory. */

static char *
wh_json_decode(const char *text, size_t len)
{
    char   *copy;
    cJSON  *string;

    /* the text was checked, so what cJSON lacks is memory */

    string = cJSON_ParseWithLength(text, len);
    copy = (string != NULL) ? strdup(string->valuestring) : NULL;

    cJSON_Delete(string);

    return copy;
}


int
wh_json_unique(const wh_object_t *o, wh_error_t *err)
{
    int           rc;
    size_t        i, k;
    wh_member_t  *sorted;

    if (o->n <= WH_JSON_FEW_NAMES) {

        for (i = 1; i < o->n; i++) {
            for (k = 0; k < i; k++) {
                if (wh_json_named(&o->members[k], o->members[i].name,
                                  o->members[i].name_len)) {
                    return wh_json_twice(err);
                }
            }
        }

        return WH_OK;
    }

    /* with many, that would take ever longer */

    sorted = malloc(o->n * sizeof(wh_member_t));
    if (sorted == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    memcpy(sorted, o->members, o->n * sizeof(wh_member_t));
    qsort(sorted, o->n, sizeof(wh_member_t), wh_json_compare_names);

    rc = WH_OK;

    for (i = 1; i < o->n && rc == WH_OK; i++) {
        if (wh_json_named(&sorted[i - 1], sorted[i].name, sorted[i].name_len)) {
            rc = wh_json_twice(err);
        }
    }

    free(sorted);

    return rc;
}


static int
wh_json_named(const wh_member_t *m, const char *name, size_t len)
{
    return m->name_len == len && memcmp(m->name, name, len) == 0;
}


static int
wh_json_twice(wh_error_t *err)
{
    (void) wh_error_set(err, WH_EJSON, "a name occurs twice");

    if (err != NULL) {
        err->reason = "duplicate_key";
    }

    return WH_EJSON;
}


/* In an order in which equal names are neighbours. */

static int
wh_json_compare_names(const void *a, const void *b)
{
    const wh_member_t  *m, *n;

    m = a;
    n = b;

    if (m->name_len != n->name_len) {
        return (m->name_len < n->name_len) ? -1 : 1;
    }

    return memcmp(m->name, n->name, m->name_len);
}


const wh_member_t *
wh_json_member(const wh_object_t *o, const char *name)
{
    size_t  i, len;

    len = strlen(name);

    for (i = 0; i < o->n; i++) {
        if (wh_json_named(&o->members[i], name, len)) {
            return &o->members[i];
        }
    }

    return NULL;
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
