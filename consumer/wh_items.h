/*
 * Items that change together: each is read once, changed in memory as often
 * as need be, and written back under the optimistic lock.
 */

#ifndef WH_ITEMS_H
#define WH_ITEMS_H

#include <stddef.h>

#include "wh_error.h"
#include "wh_store.h"


typedef struct wh_items_s  wh_items_t;


/* Room for max items.  WH_OK, WH_NOMEM; wh_items_destroy() takes NULL. */
int wh_items_create(wh_items_t **items, size_t max, wh_error_t *err);
void wh_items_destroy(wh_items_t *items);

/* Forgets all of them, written or not. */
void wh_items_clear(wh_items_t *items);

/*
 * Finds the item of a sku, or adds it.  *item is what the caller changes; it
 * stays where it is until wh_items_clear().  WH_OK; WH_NOMEM; WH_ERROR: there
 * are max of them already.
 * wh_items_add() leaves the reading to wh_items_read(), which reads all that
 * were added in the order of their skus: a large database is then walked
 * through, where any other order would jump about in it.  wh_items_get() reads
 * the item at once.  WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM.
 */
int wh_items_add(wh_items_t *items, const char *sku, size_t len,
    wh_item_t **item, wh_error_t *err);
int wh_items_read(wh_items_t *items, wh_store_t *store, wh_error_t *err);
int wh_items_get(wh_items_t *items, wh_store_t *store, const char *sku,
    size_t len, wh_item_t **item, wh_error_t *err);

/*
 * Writes those whose version has changed, each guarded by the version read,
 * in the caller's transaction.  WH_OK; WH_CONFLICT: somebody else wrote one;
 * WH_AGAIN, WH_ERROR.
 */
int wh_items_write(wh_items_t *items, wh_store_t *store, wh_error_t *err);


#endif
