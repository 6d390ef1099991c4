#include "ledger/batch.h"
#include "ledger/items.h"
#include "ledger/keys.h"
#include "ledger/rule.h"

#include <stdlib.h>
#include <string.h>


struct wh_batch_s {
    wh_limits_t      limits;
    size_t           most;          /* commands, at most limits.max */
    size_t           size;
    size_t           first;         /* the slice computed last */
    size_t           count;
    wh_outcome_t    *outcomes;      /* limits.max of them */
    wh_items_t      *items;         /* those of a slice */
    int              prefetched;    /* those of all commands, and read */
    char            *texts;         /* room for limits.max commands' */
    size_t           texts_len;
    size_t           bytes;         /* of malformed commands and of traces */
    wh_keys_t       *keys;          /* those of a slice */
};


static int wh_batch_items(wh_batch_t *batch, size_t first, size_t count,
    wh_store_t *store, wh_error_t *err);
static int wh_batch_outcomes(wh_batch_t *batch, wh_store_t *store,
    wh_error_t *err);
static int wh_batch_outcome_of(wh_batch_t *batch, wh_outcome_t *outcome,
    wh_item_t *item, wh_store_t *store, wh_error_t *err);
static void wh_batch_forget(wh_batch_t *batch);


int
wh_batch_create(wh_batch_t **batch, const wh_limits_t *limits,
    wh_error_t *err)
{
    wh_batch_t  *b;

    b = calloc(1, sizeof(wh_batch_t));
    if (b == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    b->limits = *limits;
    b->most = limits->max;
    b->outcomes = malloc(limits->max * sizeof(wh_outcome_t));

    /* as much as is not used is never touched, so takes no memory */
    b->texts = malloc(limits->max * WH_COMMAND_TEXTS);

    if (b->outcomes == NULL || b->texts == NULL
        || wh_items_create(&b->items, limits->max, err) != WH_OK)
    {
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

    wh_batch_clear(b);
    wh_items_destroy(b->items);
    free(b->outcomes);
    free(b->texts);
    free(b);
}


int
wh_batch_add(wh_batch_t *b, const wh_record_t *r, wh_error_t *err)
{
    int            rc;
    wh_outcome_t  *o;

    if (wh_batch_full(b)) {
        return wh_error_set(err, WH_ERROR, "the batch is full");
    }

    o = &b->outcomes[b->size];

    rc = wh_record_decode(r, b->limits.keep, o, b->texts + b->texts_len, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (o->verdict != WH_MALFORMED) {
        b->texts_len += wh_command_texts(&o->command);

    } else if (o->malformed.value != NULL) {
        b->bytes += (r->len < WH_VALUE_MAX) ? r->len : WH_VALUE_MAX;
    }

    if (o->traceparent != NULL) {
        b->bytes += r->traceparent_len;
    }

    if (o->tracestate != NULL) {
        b->bytes += r->tracestate_len;
    }

    b->size++;

    return WH_OK;
}


void
wh_batch_clear(wh_batch_t *b)
{
    size_t  i;

    wh_batch_forget(b);

    for (i = 0; i < b->size; i++) {
        wh_outcome_free(&b->outcomes[i]);
    }

    b->size = 0;
    b->texts_len = 0;
    b->bytes = 0;
}


/* Forgets what was read for a slice. */

static void
wh_batch_forget(wh_batch_t *b)
{
    b->prefetched = 0;

    if (b->items != NULL) {
        wh_items_clear(b->items);
    }

    wh_keys_clear(&b->keys);
}


size_t
wh_batch_size(const wh_batch_t *b)
{
    return b->size;
}


void
wh_batch_limit(wh_batch_t *b, size_t most)
{
    b->most = (most < b->limits.max) ? most : b->limits.max;
}


int
wh_batch_full(const wh_batch_t *b)
{
    /*
     * Items that were read ahead are those of the commands there were then.
     * While they are being read, in another thread, the batch is full anyway.
     */

    return b->size >= b->most || b->bytes >= WH_BATCH_BYTES || b->prefetched;
}


const wh_outcome_t *
wh_batch_outcome(const wh_batch_t *b, size_t i)
{
    return &b->outcomes[i];
}


int64_t *
wh_batch_notified(wh_batch_t *b, size_t i)
{
    return &b->outcomes[i].notified;
}


int
wh_batch_compute(wh_batch_t *b, size_t first, size_t count, wh_store_t *store,
    wh_error_t *err)
{
    int  rc;

    b->first = first;
    b->count = count;

    rc = wh_store_begin_read(store, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (!b->prefetched) {
        wh_batch_forget(b);
        rc = wh_batch_items(b, first, count, store, err);
    }

    b->prefetched = 0;

    if (rc == WH_OK) {
        rc = wh_batch_outcomes(b, store, err);
    }

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


int
wh_batch_prefetch(wh_batch_t *b, wh_store_t *store, wh_error_t *err)
{
    int  rc;

    rc = wh_batch_items(b, 0, b->size, store, err);

    if (rc == WH_OK) {
        b->prefetched = 1;

    } else {
        wh_batch_forget(b);
    }

    return rc;
}


int
wh_batch_prefetched(const wh_batch_t *b)
{
    return b->prefetched;
}


static int
wh_batch_items(wh_batch_t *b, size_t first, size_t count, wh_store_t *store,
    wh_error_t *err)
{
    int                  rc;
    size_t               i;
    const wh_command_t  *command;

    for (i = first; i < first + count; i++) {

        if (b->outcomes[i].verdict == WH_MALFORMED) {
            continue;
        }

        command = &b->outcomes[i].command;

        rc = wh_items_add(b->items, command->sku, command->sku_len, err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return wh_items_read(b->items, store, err);
}


static int
wh_batch_outcomes(wh_batch_t *b, wh_store_t *store, wh_error_t *err)
{
    int     rc;
    size_t  i, n;

    n = 0;

    for (i = b->first; i < b->first + b->count; i++) {

        if (b->outcomes[i].verdict == WH_MALFORMED) {
            continue;
        }

        rc = wh_batch_outcome_of(b, &b->outcomes[i],
                                 &wh_items_at(b->items, n++)->now, store, err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}


/*
 * A key counts from the time of the record that used it.  A refused command
 * does not use its key up.
 */

static int
wh_batch_outcome_of(wh_batch_t *b, wh_outcome_t *o, wh_item_t *item,
    wh_store_t *store, wh_error_t *err)
{
    int        rc;
    wh_use_t  *use;

    use = NULL;

    if (o->key != NULL) {
        rc = wh_keys_find(&b->keys, &o->command, o->key, store, &use, err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    if (use != NULL && use->change != 0
        && o->time < use->time + b->limits.retention)
    {
        if (wh_use_repeated(use, &o->command)) {
            o->verdict = WH_DUPLICATE;
            o->reason = "idempotency_key_repeated";
            o->original.partition = use->partition;
            o->original.offset = use->offset;

        } else {
            o->verdict = WH_REFUSED;
            o->reason = "idempotency_key_reused";
        }

    } else {
        o->reason = wh_apply(item, &o->command);
        o->verdict = (o->reason == NULL) ? WH_APPLIED : WH_REFUSED;

        if (use != NULL && o->verdict == WH_APPLIED) {
            wh_use(use, &o->command, o->time, o->partition, o->offset);
        }
    }

    o->stock = item->qty;
    o->version = item->version;

    return WH_OK;
}


int
wh_batch_write(wh_batch_t *b, wh_store_t *store, wh_error_t *err)
{
    int            rc;
    size_t         i;
    wh_use_t       use;
    wh_outcome_t  *o;

    rc = wh_items_write(b->items, store, err);
    if (rc != WH_OK) {
        return rc;
    }

    for (i = b->first; i < b->first + b->count; i++) {
        o = &b->outcomes[i];

        if (o->key == NULL || o->verdict != WH_APPLIED) {
            continue;
        }

        wh_use(&use, &o->command, o->time, o->partition, o->offset);

        rc = wh_store_put_key(store, o->command.sku, o->command.sku_len,
                              o->key, &use, b->limits.retention,
                              b->limits.keys, err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}
