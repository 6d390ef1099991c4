#define _GNU_SOURCE             /* qsort_r() */

#include "ledger/items.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>


/* A sku that was added. */

typedef struct {
    const char   *sku;
    uint32_t      len;
    uint32_t      change;         /* the item's, among the changes */
} wh_added_t;


/* Its place in the order of skus. */

typedef struct {
    uint64_t      bytes;          /* of the sku, those compared first */
    uint32_t      added;
} wh_place_t;


struct wh_items_s {
    wh_added_t   *added;          /* room for max of them */
    wh_place_t   *places;
    wh_change_t  *changes;        /* in the order of their skus */
    size_t        n;              /* skus added */
    size_t        nchanges;
    size_t        max;
    int           short_skus;     /* the places' bytes are all there is */
};


static void wh_items_sort(wh_items_t *items);
static void wh_items_merge(wh_items_t *items);
static size_t wh_items_common(const wh_items_t *items);
static uint64_t wh_items_bytes(const wh_added_t *added, size_t from);
static int wh_items_compare(const void *a, const void *b, void *data);


int
wh_items_create(wh_items_t **items, size_t max, wh_error_t *err)
{
    wh_items_t  *s;

    *items = NULL;

    s = calloc(1, sizeof(wh_items_t));
    if (s == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    s->max = max;

    /* what is not used is never touched, and takes no memory */

    s->added = malloc(max * sizeof(wh_added_t));
    s->places = malloc(max * sizeof(wh_place_t));
    s->changes = malloc(max * sizeof(wh_change_t));

    if (s->added == NULL || s->places == NULL || s->changes == NULL) {
        wh_items_destroy(s);
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    *items = s;

    return WH_OK;
}


void
wh_items_destroy(wh_items_t *s)
{
    if (s == NULL) {
        return;
    }

    free(s->added);
    free(s->places);
    free(s->changes);
    free(s);
}


void
wh_items_clear(wh_items_t *s)
{
    s->n = 0;
    s->nchanges = 0;
}


int
wh_items_add(wh_items_t *s, const char *sku, size_t len, wh_error_t *err)
{
    if (s->n == s->max) {
        return wh_error_set(err, WH_ERROR, "there are too many items");
    }

    s->added[s->n].sku = sku;
    s->added[s->n].len = (uint32_t) len;
    s->n++;

    return WH_OK;
}


int
wh_items_read(wh_items_t *s, wh_store_t *store, wh_error_t *err)
{
    int           rc;
    size_t        i;
    wh_change_t  *c;

    wh_items_sort(s);
    wh_items_merge(s);

    for (i = 0; i < s->nchanges; i++) {
        c = &s->changes[i];

        rc = wh_store_get_item(store, c->sku, c->len, &c->read, err);
        if (rc != WH_OK) {
            return rc;
        }

        c->now = c->read;
    }

    return WH_OK;
}


wh_change_t *
wh_items_at(const wh_items_t *s, size_t i)
{
    return &s->changes[s->added[i].change];
}


int
wh_items_write(wh_items_t *s, wh_store_t *store, wh_error_t *err)
{
    int           rc;
    size_t        i;
    wh_change_t  *c;

    for (i = 0; i < s->nchanges; i++) {
        c = &s->changes[i];

        if (c->now.version == c->read.version) {
            continue;
        }

        rc = wh_store_put_item(store, c->sku, c->len, c->read.version, &c->now,
                               err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}


/*
 * To compare skus where they lie, all over the memory, is slow: mostly the
 * eight bytes behind those that all of them begin with are enough.
 */

static void
wh_items_sort(wh_items_t *s)
{
    size_t  i, common;

    common = wh_items_common(s);
    s->short_skus = 1;

    for (i = 0; i < s->n; i++) {

        if (s->added[i].len > common + sizeof(s->places[i].bytes)) {
            s->short_skus = 0;
        }

        s->places[i].bytes = wh_items_bytes(&s->added[i], common);
        s->places[i].added = (uint32_t) i;
    }

    qsort_r(s->places, s->n, sizeof(wh_place_t), wh_items_compare, s);
}


/* One change for each sku, however often it was added. */

static void
wh_items_merge(wh_items_t *s)
{
    size_t        i;
    wh_added_t   *a;
    wh_change_t  *c;

    s->nchanges = 0;

    for (i = 0; i < s->n; i++) {
        a = &s->added[s->places[i].added];

        if (i == 0
            || wh_items_compare(&s->places[i - 1], &s->places[i], s) != 0)
        {
            c = &s->changes[s->nchanges++];
            c->sku = a->sku;
            c->len = a->len;
        }

        a->change = (uint32_t) (s->nchanges - 1);
    }
}


/* How many bytes all skus have in common at their beginning. */

static size_t
wh_items_common(const wh_items_t *s)
{
    size_t       i, k, common;
    const char  *first, *sku;

    if (s->n == 0) {
        return 0;
    }

    first = s->added[0].sku;
    common = s->added[0].len;

    for (i = 1; i < s->n; i++) {
        sku = s->added[i].sku;

        /* the NUL of a shorter one differs */

        for (k = 0; k < common && sku[k] == first[k]; k++) {
            /* void */
        }

        common = k;
    }

    return common;
}


/* Eight bytes, NULs behind the end, as a number that compares like them. */

static uint64_t
wh_items_bytes(const wh_added_t *a, size_t from)
{
    size_t    i;
    uint64_t  bytes;

    bytes = 0;

    for (i = from; i < from + sizeof(bytes); i++) {
        bytes = bytes << 8 | (i < a->len ? (unsigned char) a->sku[i] : 0);
    }

    return bytes;
}


/* Bytewise, as SQLite orders them; there is no NUL in a sku. */

static int
wh_items_compare(const void *a, const void *b, void *data)
{
    const wh_items_t  *s = data;
    const wh_place_t  *x = a, *y = b;

    if (x->bytes != y->bytes) {
        return (x->bytes < y->bytes) ? -1 : 1;
    }

    if (s->short_skus) {
        return 0;
    }

    return strcmp(s->added[x->added].sku, s->added[y->added].sku);
}
