/*
 * Items that change together: each is read once, changed in memory as often
 * as need be, and written back under the optimistic lock.
 */

#ifndef WH_ITEMS_H
#define WH_ITEMS_H

#include <stddef.h>

#include "store/store.h"
#include "wh_error.h"


typedef struct wh_items_s  wh_items_t;


/* An item; now is for the caller to change. */

typedef struct {
    const char  *sku;         /* NUL-terminated, as it was added */
    size_t       len;         /* bytes */
    wh_item_t    read;        /* as it stands in the database */
    wh_item_t    now;         /* as it is to be */
} wh_change_t;


/* Room for max skus.  WH_OK, WH_NOMEM; wh_items_destroy() takes NULL. */
int wh_items_create(wh_items_t **items, size_t max, wh_error_t *err);
void wh_items_destroy(wh_items_t *items);

/* Forgets all of them, written or not. */
void wh_items_clear(wh_items_t *items);

/*
 * Adds a sku, which may have been added before.  sku has a NUL behind its len
 * bytes, and stays where it is until wh_items_clear().  WH_OK; WH_ERROR: there
 * are max of them already.
 */
int wh_items_add(wh_items_t *items, const char *sku, size_t len,
    wh_error_t *err);

/*
 * Reads the items of all that was added, in the order of their skus: a large
 * database is then walked through, where any other order would jump about in
 * it.  WH_OK, WH_AGAIN, WH_ERROR.
 */
int wh_items_read(wh_items_t *items, wh_store_t *store, wh_error_t *err);

/* After that, the item of the i-th sku that was added, from 0. */
wh_change_t *wh_items_at(const wh_items_t *items, size_t i);

/*
 * Writes those whose version has changed, each guarded by the version read,
 * in the caller's transaction.  WH_OK; WH_CONFLICT: somebody else wrote one;
 * WH_AGAIN, WH_ERROR.
 */
int wh_items_write(wh_items_t *items, wh_store_t *store, wh_error_t *err);


#endif
