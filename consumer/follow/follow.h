/*
 * Following the topic notifications: the one path by which a database that
 * is behind Kafka catches up, whatever the reason.
 */

#ifndef WH_FOLLOW_H
#define WH_FOLLOW_H

#include <stdint.h>

#include "base/worker.h"
#include "conf/conf.h"
#include "store/store.h"
#include "wh_error.h"


typedef struct wh_follow_s  wh_follow_t;


/*
 * Begins at the position stored in store, towards offset high.  From then on
 * until wh_follow_finish() or wh_follow_close() the store belongs to worker's
 * thread.  WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM; *follow is NULL after a
 * failure.  wh_follow_close() accepts NULL, drops what is not written, and
 * rolls back a transaction that failed.
 */
int wh_follow_open(wh_follow_t **follow, const wh_conf_t *conf,
    wh_store_t *store, wh_worker_t *worker, int64_t high, wh_error_t *err);
void wh_follow_close(wh_follow_t *follow);

/*
 * Reads the notifications that are there (read_committed), some hundred at
 * most, or waits a moment for one, and has those newer than their items applied
 * in large transactions; with them go the new positions: of notifications, and
 * of commands behind each source.  It is safe to repeat from any position.
 * While there is more to read than one transaction, meta's state is set to
 * 'recovering'.
 *
 * WH_OK: wh_follow_position() tells how far it is; WH_AGAIN: brokers away;
 * WH_ERROR: a record that is no notification, or two different outcomes of one
 * version.
 */
int wh_follow_step(wh_follow_t *follow, wh_error_t *err);

/* The offset in notifications behind what was read. */
int64_t wh_follow_position(const wh_follow_t *follow);

/*
 * Waits until what is being written is committed, and with keep what was read
 * since, too; never behind a transaction that failed.  The store is the
 * caller's again.  WH_OK; WH_AGAIN, WH_ERROR: a failure not told before.
 */
int wh_follow_finish(wh_follow_t *follow, int keep, wh_error_t *err);

/* A record was passed over, as the configuration asked. */
int wh_follow_skipped(const wh_follow_t *follow);

/* Notifications that were read, and that were newer than their items. */
void wh_follow_counts(const wh_follow_t *follow, uint64_t *read,
    uint64_t *applied);


#endif
