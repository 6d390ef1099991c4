/*
 * A batch: commands decoded, computed against the items as they were read,
 * and written back under the optimistic lock.  Knows SQLite, not Kafka.
 */

#ifndef WH_BATCH_H
#define WH_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"
#include "ledger/record.h"
#include "wh_error.h"


/* a batch is full with so many of these bytes, too */
#define WH_BATCH_BYTES  (4 * 1024 * 1024)


/* What a batch has to know of the configuration. */

typedef struct {
    size_t         max;          /* commands in the batch */
    int            keep;         /* the bytes of malformed ones */
    int64_t        retention;    /* of idempotency keys, ms */
    int64_t        keys;         /* most of them to remember */
} wh_limits_t;


typedef struct wh_batch_s  wh_batch_t;


/* An empty batch.  WH_OK, WH_NOMEM; wh_batch_destroy() takes NULL. */
int wh_batch_create(wh_batch_t **batch, const wh_limits_t *limits,
    wh_error_t *err);
void wh_batch_destroy(wh_batch_t *batch);

/*
 * Decodes one record of commands and adds it.  What is not a command is added
 * as malformed.  The outcome's texts belong to the batch, until that is
 * emptied.  WH_OK; WH_NOMEM; WH_ERROR: the batch is full.
 */
int wh_batch_add(wh_batch_t *batch, const wh_record_t *record,
    wh_error_t *err);

/* Empties the batch. */
void wh_batch_clear(wh_batch_t *batch);

size_t wh_batch_size(const wh_batch_t *batch);

/* From now on it may have no more than most commands, at most limits.max. */
void wh_batch_limit(wh_batch_t *batch, size_t most);

/*
 * True if it has all the commands, or the bytes of malformed ones and traces,
 * it may, or its items were read ahead.
 */
int wh_batch_full(const wh_batch_t *batch);
const wh_outcome_t *wh_batch_outcome(const wh_batch_t *batch, size_t i);

/* Where the offset of its notification goes. */
int64_t *wh_batch_notified(wh_batch_t *batch, size_t i);

/*
 * Computes the outcomes of commands first..first+count-1 in order; reads the
 * items and keys they name in one snapshot and without the write lock.  Items
 * that wh_batch_prefetch() has read are used the first time, which has to begin
 * with the first command.  May be called again for the same commands.
 * WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM.
 */
int wh_batch_compute(wh_batch_t *batch, size_t first, size_t count,
    wh_store_t *store, wh_error_t *err);

/*
 * Reads the items of all commands ahead of wh_batch_compute(): within the
 * transaction of the batch before, so that its changes are seen.  No command
 * may be added afterwards.  WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM: the caller's
 * transaction may have ended, as with every failure of SQLite's in one.
 */
int wh_batch_prefetch(wh_batch_t *batch, wh_store_t *store, wh_error_t *err);
int wh_batch_prefetched(const wh_batch_t *batch);

/*
 * Writes the items computed last, each guarded by the version read, and the
 * keys that were used, in the caller's transaction.  WH_OK; WH_CONFLICT: roll
 * back and compute again.
 */
int wh_batch_write(wh_batch_t *batch, wh_store_t *store, wh_error_t *err);


#endif
