#include "ledger/keys.h"
#include "wh_key.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM  1
#define uthash_nonfatal_oom(elt)  ((elt)->oom = 1)

#include <uthash.h>


/* One of them; a set is a pointer to its first one, as uthash has it. */

struct wh_keys_s {
    wh_use_t         use;
    int              oom;
    UT_hash_handle   hh;
    char             name[];        /* sku, NUL, key, NUL */
};


int
wh_keys_find(wh_keys_t **keys, const wh_command_t *command, const char *key,
    wh_store_t *store, wh_use_t **use, wh_error_t *err)
{
    int         rc;
    char        name[WH_SKU_MAX + 1 + WH_KEY_MAX + 1];
    size_t      len;
    wh_keys_t  *k;

    len = command->sku_len + 1 + strlen(key) + 1;
    memcpy(name, command->sku, command->sku_len + 1);
    strcpy(name + command->sku_len + 1, key);

    HASH_FIND(hh, *keys, name, len, k);

    if (k == NULL) {
        k = calloc(1, sizeof(wh_keys_t) + len);
        if (k == NULL) {
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }

        memcpy(k->name, name, len);

        rc = wh_store_get_key(store, command->sku, command->sku_len, key,
                              &k->use, err);
        if (rc != WH_OK) {
            free(k);
            return rc;
        }

        HASH_ADD(hh, *keys, name[0], len, k);

        if (k->oom) {
            free(k);
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }
    }

    *use = &k->use;

    return WH_OK;
}


void
wh_keys_clear(wh_keys_t **keys)
{
    wh_keys_t  *k, *next;

    HASH_ITER(hh, *keys, k, next) {
        HASH_DEL(*keys, k);
        free(k);
    }
}
