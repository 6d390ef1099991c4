#include "follow/chunk.h"
#include "base/fail.h"
#include "ledger/items.h"
#include "ledger/keeper.h"
#include "ledger/rule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>


/* The use of an idempotency key, which few notifications have. */

typedef struct {
    size_t        i;             /* of the notification */
    char         *key;
    wh_use_t      use;
} wh_learned_t;


/* What is kept of a notification. */

typedef struct {
    int64_t       stock;
    int64_t       version;
} wh_state_t;


struct wh_chunk_s {
    wh_items_t    *items;
    char          *skus;         /* theirs, room for max of them */
    size_t         skus_len;
    wh_state_t    *states;       /* room for max of them */
    size_t         n;
    size_t         max;
    wh_keeper_t   *keeper;       /* of outcomes */
    wh_learned_t  *learned;
    size_t         nlearned;
    size_t         max_learned;
};


static int wh_chunk_keep(wh_chunk_t *chunk, int64_t offset,
    const wh_notification_t *n, wh_error_t *err);
static int wh_chunk_learn(wh_chunk_t *chunk, const wh_notification_t *n,
    const wh_key_t *key, int64_t time, wh_error_t *err);
static int wh_chunk_remember(const wh_chunk_t *chunk, wh_store_t *store,
    const wh_conf_t *conf, wh_error_t *err);
static int wh_chunk_apply(wh_chunk_t *chunk, const wh_store_t *store,
    uint64_t *applied, wh_error_t *err);
static int wh_chunk_contradiction(const wh_change_t *change,
    const wh_state_t *s, const wh_store_t *store, wh_error_t *err);


int
wh_chunk_create(wh_chunk_t **chunk, size_t max, wh_error_t *err)
{
    wh_chunk_t  *c;

    *chunk = NULL;

    c = calloc(1, sizeof(wh_chunk_t));
    if (c == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    c->max = max;
    c->states = malloc(max * sizeof(wh_state_t));
    c->skus = malloc(max * (WH_SKU_MAX + 1));

    if (c->states == NULL || c->skus == NULL
        || wh_items_create(&c->items, max, err) != WH_OK
        || wh_keeper_create(&c->keeper, err) != WH_OK)
    {
        wh_chunk_destroy(c);
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    *chunk = c;

    return WH_OK;
}


void
wh_chunk_destroy(wh_chunk_t *c)
{
    if (c == NULL) {
        return;
    }

    wh_chunk_clear(c, 0);
    wh_items_destroy(c->items);
    wh_keeper_destroy(c->keeper);
    free(c->states);
    free(c->skus);
    free(c->learned);
    free(c);
}


void
wh_chunk_clear(wh_chunk_t *c, int64_t position)
{
    if (c->items != NULL) {
        wh_items_clear(c->items);
    }

    if (c->keeper != NULL) {
        wh_keeper_begin(c->keeper, 0, position);
    }

    while (c->nlearned > 0) {
        free(c->learned[--c->nlearned].key);
    }

    c->n = 0;
    c->skus_len = 0;
}


int
wh_chunk_add(wh_chunk_t *c, int64_t offset, const wh_notification_t *n,
    const wh_key_t *key, int64_t time, int keep, wh_error_t *err)
{
    int      rc;
    char    *sku;
    size_t   len;

    if (c->n == c->max) {
        return wh_error_set(err, WH_ERROR, "the chunk is full");
    }

    len = n->command.sku_len;
    sku = memcpy(c->skus + c->skus_len, n->command.sku, len + 1);

    rc = wh_items_add(c->items, sku, len, err);

    if (rc == WH_OK && key != NULL) {
        rc = wh_chunk_learn(c, n, key, time, err);
    }

    if (rc == WH_OK && keep) {
        rc = wh_chunk_keep(c, offset, n, err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    if (!keep) {
        wh_keeper_pass(c->keeper, offset);
    }

    c->states[c->n].stock = n->stock;
    c->states[c->n].version = n->version;

    c->skus_len += len + 1;
    c->n++;

    return WH_OK;
}


static int
wh_chunk_keep(wh_chunk_t *c, int64_t offset, const wh_notification_t *n,
    wh_error_t *err)
{
    wh_kept_t  kept;

    memset(&kept, 0, sizeof(kept));

    kept.verdict = WH_APPLIED;
    kept.offset = n->offset;
    kept.command = n->command;
    kept.stock = n->stock;
    kept.version = n->version;
    kept.notified = offset;

    return wh_keeper_add(c->keeper, n->topic, n->partition, &kept, err);
}


static int
wh_chunk_learn(wh_chunk_t *c, const wh_notification_t *n, const wh_key_t *key,
    int64_t time, wh_error_t *err)
{
    size_t         max;
    wh_learned_t  *l;

    if (c->nlearned == c->max_learned) {
        max = (c->max_learned == 0) ? 64 : 2 * c->max_learned;

        l = realloc(c->learned, max * sizeof(wh_learned_t));
        if (l == NULL) {
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }

        c->learned = l;
        c->max_learned = max;
    }

    l = &c->learned[c->nlearned];
    l->i = c->n;
    l->key = strdup(key->text);

    if (l->key == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    wh_use(&l->use, &n->command, time, n->partition, n->offset);
    c->nlearned++;

    return WH_OK;
}


int
wh_chunk_write(wh_chunk_t *c, wh_store_t *store, const wh_conf_t *conf,
    int64_t next, uint64_t *applied, wh_error_t *err)
{
    int  rc;

    *applied = 0;

    rc = wh_items_read(c->items, store, err);

    if (rc == WH_OK) {
        rc = wh_chunk_apply(c, store, applied, err);
    }

    if (rc == WH_OK) {
        rc = wh_items_write(c->items, store, err);
    }

    if (rc == WH_OK) {
        rc = wh_chunk_remember(c, store, conf, err);
    }

    return (rc == WH_OK) ? wh_keeper_write(c->keeper, store, next,
                                           conf->outcomes, err)
                         : rc;
}


/*
 * A key that was used is learned even where the item is newer: somebody else may
 * have changed that.  One that is known stays where it is among the others: the
 * oldest is forgotten for each that is put.
 */

static int
wh_chunk_remember(const wh_chunk_t *c, wh_store_t *store,
    const wh_conf_t *conf, wh_error_t *err)
{
    int            rc;
    size_t         i;
    wh_use_t       known;
    wh_change_t   *change;
    wh_learned_t  *l;

    for (i = 0; i < c->nlearned; i++) {
        l = &c->learned[i];
        change = wh_items_at(c->items, l->i);

        /* of a database that is being built none is known */

        if (!wh_store_unpublished(store)) {
            rc = wh_store_get_key(store, change->sku, change->len, l->key,
                                  &known, err);
            if (rc != WH_OK) {
                return rc;
            }

            if (known.change == l->use.change && known.time == l->use.time
                && known.partition == l->use.partition
                && known.offset == l->use.offset)
            {
                continue;
            }
        }

        rc = wh_store_put_key(store, change->sku, change->len, l->key, &l->use,
                              conf->idempotency_retention * 1000,
                              conf->idempotency_keys, err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}


static int
wh_chunk_apply(wh_chunk_t *c, const wh_store_t *store, uint64_t *applied,
    wh_error_t *err)
{
    size_t             i;
    wh_item_t         *item;
    wh_change_t       *change;
    const wh_state_t  *s;

    for (i = 0; i < c->n; i++) {
        s = &c->states[i];
        change = wh_items_at(c->items, i);
        item = &change->now;

        if (s->version == item->version && s->stock != item->qty) {
            return wh_chunk_contradiction(change, s, store, err);
        }

        if (s->version > item->version) {
            item->qty = s->stock;
            item->version = s->version;
            (*applied)++;
        }

        if (wh_fail(WH_OK, "notification_applied", err) != WH_OK) {
            return WH_AGAIN;
        }
    }

    return WH_OK;
}


/* While a database is being built, all that is in it is from notifications. */

static int
wh_chunk_contradiction(const wh_change_t *change, const wh_state_t *s,
    const wh_store_t *store, wh_error_t *err)
{
    if (wh_store_unpublished(store)) {
        return wh_error_set(err, WH_ERROR, "item \"%s\" version %" PRId64
                            " has stock %" PRId64 " in one notification and %"
                            PRId64 " in another: two owners wrote; no database "
                            "can be built from this topic, so keep the one "
                            "there is, or restore a backup", change->sku,
                            change->now.version, change->now.qty, s->stock);
    }

    return wh_error_set(err, WH_ERROR, "item \"%s\" version %" PRId64
                        " has stock %" PRId64 " in the database and %" PRId64
                        " in notifications: the database was changed by hand, "
                        "or two owners wrote; move the database away to have "
                        "it rebuilt from Kafka", change->sku,
                        change->now.version, change->now.qty, s->stock);
}
