#include "wh_json.h"
#include "wh_json_check.h"

#include <stdlib.h>
#include <string.h>


#define WH_JSON_FEW_NAMES  8


static int wh_json_twice(wh_error_t *err);
static int wh_json_compare_names(const void *a, const void *b);


int
wh_json_parse(const char *text, size_t len, cJSON **value, wh_error_t *err)
{
    int    rc;
    char  *repaired;

    *value = NULL;

    rc = wh_json_check(text, len, &repaired, err);
    if (rc != WH_OK) {
        return rc;
    }

    *value = cJSON_ParseWithLength(repaired ? repaired : text, len);

    free(repaired);

    if (*value == NULL) {
        /* the text was checked, so what cJSON lacks is memory */
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    return WH_OK;
}


int
wh_json_unique(const cJSON *object, wh_error_t *err)
{
    int           rc;
    size_t        i, n;
    const char  **names;
    const cJSON  *member, *other;

    n = 0;

    cJSON_ArrayForEach(member, object) {

        if (++n > WH_JSON_FEW_NAMES) {
            continue;
        }

        for (other = object->child; other != member; other = other->next) {
            if (strcmp(other->string, member->string) == 0) {
                return wh_json_twice(err);
            }
        }
    }

    if (n <= WH_JSON_FEW_NAMES) {
        return WH_OK;
    }

    /* with many, that would take ever longer */

    names = malloc(n * sizeof(char *));
    if (names == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    n = 0;
    cJSON_ArrayForEach(member, object) {
        names[n++] = member->string;
    }

    qsort(names, n, sizeof(char *), wh_json_compare_names);

    rc = WH_OK;

    for (i = 1; i < n && rc == WH_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            rc = wh_json_twice(err);
        }
    }

    free(names);

    return rc;
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


static int
wh_json_compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}


int
wh_json_integer(const cJSON *value, int64_t min, int64_t max, int64_t *result)
{
    double  n;

    if (!cJSON_IsNumber(value)) {
        return WH_ECOMMAND;
    }

    /* never valueint: it saturates at 2^31-1 */

    n = value->valuedouble;

    if (!(n >= (double) min && n <= (double) max)) {
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
