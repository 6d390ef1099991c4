#include "wh_items.h"
#include "wh_command.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM  1
#define uthash_nonfatal_oom(elt)  ((elt)->oom = 1)

#include <uthash.h>


typedef struct {
    const char      *sku;
    wh_item_t        read;          /* as it stands in the database */
    wh_item_t        now;           /* as it is to be */
    int              known;         /* it was read */
    int              oom;
    UT_hash_handle   hh;
} wh_entry_t;


struct wh_items_s {
    wh_entry_t      *entries;       /* room for max of them */
    size_t           n;
    size_t           max;
    char            *skus;          /* theirs, one behind the other */
    size_t           skus_len;
    wh_entry_t      *index;         /* the entries by sku */
    int              sorted;        /* the index is, by sku */
};


static int wh_items_find(wh_items_t *items, const char *sku, size_t len,
    wh_entry_t **entry, wh_error_t *err);
static int wh_items_load(wh_entry_t *entry, wh_store_t *store,
    wh_error_t *err);
static void wh_items_sort(wh_items_t *items);
static int wh_items_order(const wh_entry_t *a, const wh_entry_t *b);


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

    s->entries = malloc(max * sizeof(wh_entry_t));
    s->skus = malloc(max * WH_SKU_MAX);

    if (s->entries == NULL || s->skus == NULL) {
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

    wh_items_clear(s);
    free(s->entries);
    free(s->skus);
    free(s);
}


void
wh_items_clear(wh_items_t *s)
{
    HASH_CLEAR(hh, s->index);

    s->n = 0;
    s->skus_len = 0;
}


int
wh_items_add(wh_items_t *s, const char *sku, size_t len, wh_item_t **item,
    wh_error_t *err)
{
    int          rc;
    wh_entry_t  *e;

    rc = wh_items_find(s, sku, len, &e, err);

    if (rc == WH_OK) {
        *item = &e->now;
    }

    return rc;
}


int
wh_items_get(wh_items_t *s, wh_store_t *store, const char *sku, size_t len,
    wh_item_t **item, wh_error_t *err)
{
    int          rc;
    wh_entry_t  *e;

    rc = wh_items_find(s, sku, len, &e, err);

    if (rc == WH_OK) {
        *item = &e->now;
        rc = wh_items_load(e, store, err);
    }

    return rc;
}


static int
wh_items_find(wh_items_t *s, const char *sku, size_t len, wh_entry_t **entry,
    wh_error_t *err)
{
    wh_entry_t  *e;

    HASH_FIND(hh, s->index, sku, len, e);

    if (e == NULL) {

        if (s->n == s->max) {
            return wh_error_set(err, WH_ERROR, "there are too many items");
        }

        e = &s->entries[s->n];
        e->sku = memcpy(s->skus + s->skus_len, sku, len);
        e->known = 0;
        e->oom = 0;

        HASH_ADD_KEYPTR(hh, s->index, e->sku, len, e);

        if (e->oom) {
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }

        s->n++;
        s->skus_len += len;
        s->sorted = 0;
    }

    *entry = e;

    return WH_OK;
}


static int
wh_items_load(wh_entry_t *e, wh_store_t *store, wh_error_t *err)
{
    int  rc;

    if (e->known) {
        return WH_OK;
    }

    rc = wh_store_get_item(store, e->sku, e->hh.keylen, &e->read, err);

    if (rc == WH_OK) {
        e->now = e->read;
        e->known = 1;
    }

    return rc;
}


int
wh_items_read(wh_items_t *s, wh_store_t *store, wh_error_t *err)
{
    int          rc;
    wh_entry_t  *e;

    wh_items_sort(s);

    for (e = s->index; e != NULL; e = e->hh.next) {
        rc = wh_items_load(e, store, err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}


int
wh_items_write(wh_items_t *s, wh_store_t *store, wh_error_t *err)
{
    int          rc;
    wh_entry_t  *e;

    wh_items_sort(s);

    for (e = s->index; e != NULL; e = e->hh.next) {

        if (e->now.version == e->read.version) {
            continue;
        }

        rc = wh_store_put_item(store, e->sku, e->hh.keylen, e->read.version,
                               &e->now, err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}


static void
wh_items_sort(wh_items_t *s)
{
    if (!s->sorted) {
        HASH_SORT(s->index, wh_items_order);
        s->sorted = 1;
    }
}


/* Bytewise, as SQLite orders them. */

static int
wh_items_order(const wh_entry_t *a, const wh_entry_t *b)
{
    int     order;
    size_t  len;

    len = (a->hh.keylen < b->hh.keylen) ? a->hh.keylen : b->hh.keylen;
    order = memcmp(a->sku, b->sku, len);

    return (order != 0) ? order : (int) a->hh.keylen - (int) b->hh.keylen;
}
