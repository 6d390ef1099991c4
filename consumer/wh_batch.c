#include "wh_batch.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM  1
#define uthash_nonfatal_oom(elt)  ((elt)->oom = 1)

#include <uthash.h>


typedef struct {
    const char      *sku;           /* in the outcome that named it first */
    wh_item_t        read;          /* as it stands in the database */
    wh_item_t        now;           /* after the commands so far */
    int              oom;
    UT_hash_handle   hh;
} wh_entry_t;


struct wh_batch_s {
    size_t          max;
    size_t          size;
    wh_outcome_t   *outcomes;       /* max of them */
    wh_entry_t     *entries;        /* max of them: the items of a slice */
    size_t          nentries;
    wh_entry_t     *index;          /* the entries by sku */
};


static int wh_batch_entry(wh_batch_t *batch, const wh_command_t *command,
    wh_store_t *store, wh_entry_t **entry, wh_error_t *err);
static int wh_batch_outcomes(wh_batch_t *batch, size_t first, size_t count,
    wh_store_t *store, wh_error_t *err);


int
wh_batch_create(wh_batch_t **batch, size_t max, wh_error_t *err)
{
    wh_batch_t  *b;

    b = calloc(1, sizeof(wh_batch_t));
    if (b == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    b->max = max;
    b->outcomes = malloc(max * sizeof(wh_outcome_t));
    b->entries = malloc(max * sizeof(wh_entry_t));

    if (b->outcomes == NULL || b->entries == NULL) {
        wh_batch_destroy(b);
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    *batch = b;

    return WH_OK;
}


void
wh_batch_destroy(wh_batch_t *b)
{
    if (b == NULL) {
        return;
    }

    HASH_CLEAR(hh, b->index);
    free(b->outcomes);
    free(b->entries);
    free(b);
}


int
wh_batch_add(wh_batch_t *b, const char *value, size_t len, int32_t partition,
    int64_t offset, wh_error_t *err)
{
    int            rc;
    wh_error_t     why;
    wh_outcome_t  *o;

    if (b->size == b->max) {
        return wh_error_set(err, WH_ERROR, "the batch is full");
    }

    o = &b->outcomes[b->size];
    o->partition = partition;
    o->offset = offset;

    rc = wh_command_decode(value ? value : "", len, &o->command, &why);

    if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "%s", why.text);
    }

    if (rc == WH_OK) {
        o->verdict = WH_APPLIED;
        o->reason = NULL;

    } else {
        o->verdict = WH_MALFORMED;
        o->reason = why.reason;
    }

    o->stock = 0;
    o->version = 0;
    b->size++;

    return WH_OK;
}


void
wh_batch_clear(wh_batch_t *b)
{
    b->size = 0;
}


size_t
wh_batch_size(const wh_batch_t *b)
{
    return b->size;
}


const wh_outcome_t *
wh_batch_outcome(const wh_batch_t *b, size_t i)
{
    return &b->outcomes[i];
}


int
wh_batch_compute(wh_batch_t *b, size_t first, size_t count, wh_store_t *store,
    wh_error_t *err)
{
    int  rc;

    HASH_CLEAR(hh, b->index);
    b->nentries = 0;

    rc = wh_store_begin_read(store, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_batch_outcomes(b, first, count, store, err);

    /*
     * The snapshot ends here: a transaction that read and then wrote after
     * another writer's commit would only get SQLITE_BUSY_SNAPSHOT.
     */

    if (rc == WH_OK) {
        rc = wh_store_commit(store, err);
    }

    if (rc != WH_OK) {
        wh_store_rollback(store);
    }

    return rc;
}


static int
wh_batch_outcomes(wh_batch_t *b, size_t first, size_t count,
    wh_store_t *store, wh_error_t *err)
{
    int            rc;
    size_t         i;
    wh_entry_t    *entry;
    wh_outcome_t  *o;

    entry = NULL;

    for (i = first; i < first + count; i++) {
        o = &b->outcomes[i];

        if (o->verdict == WH_MALFORMED) {
            continue;
        }

        rc = wh_batch_entry(b, &o->command, store, &entry, err);
        if (rc != WH_OK) {
            return rc;
        }

        o->reason = wh_apply(&entry->now, &o->command);
        o->verdict = (o->reason == NULL) ? WH_APPLIED : WH_REFUSED;
        o->stock = entry->now.qty;
        o->version = entry->now.version;
    }

    return WH_OK;
}


static int
wh_batch_entry(wh_batch_t *b, const wh_command_t *command, wh_store_t *store,
    wh_entry_t **entry, wh_error_t *err)
{
    int          rc;
    wh_entry_t  *e;

    HASH_FIND(hh, b->index, command->sku, command->sku_len, e);

    if (e == NULL) {
        e = &b->entries[b->nentries];

        rc = wh_store_get_item(store, command->sku, command->sku_len, &e->read,
                               err);
        if (rc != WH_OK) {
            return rc;
        }

        e->sku = command->sku;
        e->now = e->read;
        e->oom = 0;

        HASH_ADD_KEYPTR(hh, b->index, e->sku, command->sku_len, e);

        if (e->oom) {
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }

        b->nentries++;
    }

    *entry = e;

    return WH_OK;
}


int
wh_batch_write(wh_batch_t *b, wh_store_t *store, wh_error_t *err)
{
    int          rc;
    size_t       i;
    wh_entry_t  *e;

    for (i = 0; i < b->nentries; i++) {
        e = &b->entries[i];

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


const char *
wh_apply(wh_item_t *item, const wh_command_t *command)
{
    if (command->action == WH_DECREASE) {

        if (item->version == 0) {
            return "unknown_sku";
        }

        if (command->qty > item->qty) {
            return "insufficient_stock";
        }

        item->qty -= command->qty;

    } else {

        if (command->qty > WH_QTY_MAX - item->qty) {
            return "stock_limit";
        }

        item->qty += command->qty;
    }

    item->version++;

    return NULL;
}
