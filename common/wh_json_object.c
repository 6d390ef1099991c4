#include "wh_json_object.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#if CJSON_VERSION_MAJOR < 1 || CJSON_VERSION_MAJOR == 1                       \
    && (CJSON_VERSION_MINOR < 7                                               \
        || CJSON_VERSION_MINOR == 7 && CJSON_VERSION_PATCH < 13)
#error "cJSON 1.7.13 or newer is needed: cJSON_ParseWithLength()"
#endif


#define WH_JSON_FEW_NAMES  8


static int wh_json_named(const wh_member_t *m, const char *name, size_t len);
static int wh_json_twice(wh_error_t *err);
static int wh_json_compare_names(const void *a, const void *b);


void
wh_json_init(wh_object_t *o)
{
    o->members = o->few;
    o->n = 0;
    o->max = WH_JSON_MEMBERS;
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


char *
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
