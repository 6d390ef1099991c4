/*
 * Notifications that were read together, and are applied to the database in
 * one transaction.  Knows SQLite, not Kafka.
 */

#ifndef WH_CHUNK_H
#define WH_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "store/store.h"
#include "wh_command.h"
#include "wh_error.h"
#include "wh_key.h"


typedef struct wh_chunk_s  wh_chunk_t;


/* Room for max notifications.  WH_OK, WH_NOMEM; wh_chunk_destroy() takes NULL. */
int wh_chunk_create(wh_chunk_t **chunk, size_t max, wh_error_t *err);
void wh_chunk_destroy(wh_chunk_t *chunk);

/*
 * Forgets all of them, written or not; those to come are from this position in
 * notifications on.
 */
void wh_chunk_clear(wh_chunk_t *chunk, int64_t position);

/*
 * Adds the notification at offset, and the idempotency key that its command used
 * at time (ms since 1970), or NULL.  keep: the outcome, too.  Nothing of them
 * is kept but copies.
 * WH_OK; WH_NOMEM; WH_ERROR: there is no room.
 */
int wh_chunk_add(wh_chunk_t *chunk, int64_t offset,
    const wh_notification_t *notification, const wh_key_t *key, int64_t time,
    int keep, wh_error_t *err);

/*
 * Applies them in order, in the caller's transaction: to each item the stock
 * of those whose version is newer than its own.  Learns their keys, to be
 * remembered as wh_store_put_key() says, and their outcomes.  next: the position
 * in notifications behind them.  *applied is how many were newer.
 * WH_OK; WH_CONFLICT, WH_AGAIN; WH_ERROR: two different stocks of one version.
 */
int wh_chunk_write(wh_chunk_t *chunk, wh_store_t *store,
    const wh_conf_t *conf, int64_t next, uint64_t *applied, wh_error_t *err);


#endif
