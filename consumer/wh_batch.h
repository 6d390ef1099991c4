/*
 * A batch: commands decoded, computed against the items as they were read,
 * and written back under the optimistic lock.  Knows SQLite, not Kafka.
 */

#ifndef WH_BATCH_H
#define WH_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "wh_command.h"
#include "wh_error.h"
#include "wh_store.h"


typedef enum {
    WH_APPLIED = 0,
    WH_REFUSED,
    WH_MALFORMED
} wh_verdict_t;


/* What became of the command at one position. */

typedef struct {
    wh_verdict_t   verdict;
    const char    *reason;       /* refused, malformed: a word for the log */
    wh_command_t   command;      /* unless malformed */
    int64_t        stock;        /* after the command; malformed: 0 */
    int64_t        version;      /* after the command; malformed: 0 */
    int32_t        partition;
    int64_t        offset;
} wh_outcome_t;


typedef struct wh_batch_s  wh_batch_t;


/* Room for max commands.  WH_OK, WH_NOMEM; wh_batch_destroy() takes NULL. */
int wh_batch_create(wh_batch_t **batch, size_t max, wh_error_t *err);
void wh_batch_destroy(wh_batch_t *batch);

/*
 * Decodes one record of commands and adds it; value may be NULL with len 0.
 * A record that is not a command is added as malformed.  WH_OK; WH_NOMEM.
 */
int wh_batch_add(wh_batch_t *batch, const char *value, size_t len,
    int32_t partition, int64_t offset, wh_error_t *err);

/* Empties the batch. */
void wh_batch_clear(wh_batch_t *batch);

size_t wh_batch_size(const wh_batch_t *batch);
const wh_outcome_t *wh_batch_outcome(const wh_batch_t *batch, size_t i);

/*
 * Reads the items that commands first..first+count-1 name, in one snapshot
 * and without the write lock, and computes the outcomes in order.  May be
 * called again for the same commands.  WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM.
 */
int wh_batch_compute(wh_batch_t *batch, size_t first, size_t count,
    wh_store_t *store, wh_error_t *err);

/*
 * Writes the items computed last, each guarded by the version read, in the
 * caller's transaction.  WH_OK; WH_CONFLICT: roll back and compute again.
 */
int wh_batch_write(wh_batch_t *batch, wh_store_t *store, wh_error_t *err);

/*
 * The rule of the ledger: applies command to item and returns NULL, or leaves
 * item alone and returns the reason why it is refused.
 */
const char *wh_apply(wh_item_t *item, const wh_command_t *command);


#endif
