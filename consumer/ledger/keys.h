/*
 * The idempotency keys that a slice names: each is read once, and then stands
 * for what the slice's own commands have done with it.
 */

#ifndef WH_KEYS_H
#define WH_KEYS_H

#include "store/store.h"
#include "wh_command.h"
#include "wh_error.h"


/* A set of keys; NULL is an empty one. */
typedef struct wh_keys_s  wh_keys_t;


/*
 * Finds the use of a key for the command's sku, in the set or else in the
 * store; change is 0 where there is none.  *use is for the caller to change,
 * and valid until wh_keys_clear().  WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM.
 */
int wh_keys_find(wh_keys_t **keys, const wh_command_t *command,
    const char *key, wh_store_t *store, wh_use_t **use, wh_error_t *err);

/* Empties the set. */
void wh_keys_clear(wh_keys_t **keys);


#endif
