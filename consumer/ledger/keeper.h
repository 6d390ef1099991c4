/*
 * The outcomes that the database is to keep: packed as they come, written as
 * rows of its table outcomes.
 */

#ifndef WH_KEEPER_H
#define WH_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"
#include "wh_error.h"
#include "wh_kept.h"


typedef struct wh_keeper_s  wh_keeper_t;


/* Nothing kept yet.  WH_OK, WH_NOMEM; wh_keeper_destroy() takes NULL. */
int wh_keeper_create(wh_keeper_t **keeper, wh_error_t *err);
void wh_keeper_destroy(wh_keeper_t *keeper);

/*
 * Forgets all of them, written or not; position is the one in notifications
 * from which on those to come lie.  complete: what is not added in between is
 * no command, rather than one whose outcome is not known.
 */
void wh_keeper_begin(wh_keeper_t *keeper, int complete, int64_t position);

/*
 * Adds the outcome of a command in a partition of topic; texts are copied.
 * Those of a partition come in the order of their offsets, and all of them in
 * the order of their notifications.  WH_OK, WH_NOMEM.
 */
int wh_keeper_add(wh_keeper_t *keeper, const char *topic, int32_t partition,
    const wh_kept_t *kept, wh_error_t *err);

/* One that is not kept had this notification. */
void wh_keeper_pass(wh_keeper_t *keeper, int64_t notified);

/*
 * Writes them, in the caller's transaction, which moves the position in
 * notifications to next; of all outcomes the last most stay.  WH_OK, WH_AGAIN,
 * WH_ERROR, WH_NOMEM.
 */
int wh_keeper_write(wh_keeper_t *keeper, wh_store_t *store, int64_t next,
    int64_t most, wh_error_t *err);


#endif
