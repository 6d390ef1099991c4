/*
 * The daemon's side of the SQLite database: items under optimistic locking,
 * idempotency keys, positions, meta, counters.  One handle, one thread at a
 * time; other processes may write, too.
 */

#ifndef WH_STORE_H
#define WH_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "wh_error.h"


typedef struct wh_store_s  wh_store_t;


typedef struct {
    int64_t  qty;
    int64_t  version;     /* 0: there is no such item */
} wh_item_t;


/* The command that used an idempotency key. */

typedef struct {
    int64_t  change;      /* its qty, negative for a decrease; 0: none did */
    int64_t  expected_version;    /* its conditions; -1: none */
    int64_t  expected_qty;
    int64_t  time;        /* of its record, ms since 1970 */
    int32_t  partition;
    int64_t  offset;
} wh_use_t;


typedef enum {
    WH_STAT_APPLIED = 0,
    WH_STAT_REFUSED,
    WH_STAT_DUPLICATES,
    WH_STAT_MALFORMED,
    WH_STAT_CONFLICTS,    /* slices read again after a lost race */
    WH_STAT_LAST
} wh_stat_t;


typedef struct {
    const char  *path;        /* outlives the store */
    int64_t      mode;        /* permission bits of a new database */
    int64_t      wal_limit;   /* bytes of write-ahead log, then it is emptied */
    int64_t      cache;       /* bytes of pages kept in memory */
} wh_store_conf_t;


/* A row of outcomes, see wh_kept.h. */

typedef struct {
    const char  *topic;       /* of the commands */
    int32_t      partition;
    int64_t      first;       /* offset of the first of them, ... */
    int64_t      last;        /* ... and the last */
    int64_t      count;       /* how many they are */
    int64_t      since;       /* position in notifications before ... */
    int64_t      until;       /* ... and after them */
    const char  *data;
    size_t       len;         /* bytes */
} wh_outcomes_t;


/* A file as it was when it was opened. */

typedef struct {
    dev_t            dev;
    ino_t            ino;
    off_t            size;
    struct timespec  mtime;
} wh_store_file_t;


/*
 * Opens the database at conf->path for writing, brings it to this schema, and
 * removes what a rebuild left beside it.  WH_OK; WH_NONE: it does not exist or has
 * nothing in it; WH_AGAIN: busy; WH_ERROR: cannot be used, err says why.
 * The store is closed with wh_store_close(), which accepts NULL.
 */
int wh_store_open(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err);
void wh_store_close(wh_store_t *store);

/*
 * Looks for damage in all of the database, at some tenths of a second for a
 * million items, unless *whole, which is zeroed at first, says that it was
 * opened before and found undamaged.  WH_OK, WH_AGAIN, WH_NOMEM; WH_ERROR: it
 * is damaged, or cannot be read.
 */
int wh_store_check(wh_store_t *store, wh_store_file_t *whole,
    wh_error_t *err);

/*
 * Opens a database beside path ("path.new"): the one that an interrupted
 * rebuild left there, or an empty one; wh_store_renew() puts an empty one in
 * the place of the one that is open.  wh_store_publish() closes it, puts it in
 * path's place and opens it there.
 * Until then nobody reads it.  WH_OK, WH_AGAIN, WH_ERROR,
 * WH_NOMEM; *store is NULL after a failure.
 */
int wh_store_create(wh_store_t **store, const wh_store_conf_t *conf,
    wh_error_t *err);
int wh_store_renew(wh_store_t **store, wh_error_t *err);
int wh_store_publish(wh_store_t **store, wh_error_t *err);

/* True while the store is one that wh_store_publish() has yet to publish. */
int wh_store_unpublished(const wh_store_t *store);

/*
 * Checks that path still names the file that is open, and its log is beside it.
 * WH_OK; WH_AGAIN: one was removed or replaced, so the store has to be opened
 * again.
 */
int wh_store_same_file(const wh_store_t *store, wh_error_t *err);

/*
 * Transactions.  wh_store_begin() takes the write lock (WH_AGAIN: another
 * process kept it too long); wh_store_begin_read() only a snapshot.  Both end
 * with wh_store_commit() or wh_store_rollback(), or with the one of them that
 * rc asks for: wh_store_end() rolls back what cannot be committed, too, and
 * returns what went wrong first.  WH_OK, WH_AGAIN, WH_ERROR.
 */
int wh_store_begin(wh_store_t *store, wh_error_t *err);
int wh_store_begin_read(wh_store_t *store, wh_error_t *err);
int wh_store_commit(wh_store_t *store, wh_error_t *err);
void wh_store_rollback(wh_store_t *store);
int wh_store_end(wh_store_t *store, int rc, wh_error_t *err);

/* Reads an item; one that does not exist has qty 0, version 0. */
int wh_store_get_item(wh_store_t *store, const char *sku, size_t len,
    wh_item_t *item, wh_error_t *err);

/*
 * Writes an item if it still has the version read before (0: if it still does
 * not exist).  WH_OK; WH_CONFLICT: somebody else wrote it; WH_ERROR.
 */
int wh_store_put_item(wh_store_t *store, const char *sku, size_t len,
    int64_t read_version, const wh_item_t *item, wh_error_t *err);

/*
 * Reads who used an idempotency key for an item; use->change is 0 where the
 * key is not remembered.  WH_OK, WH_AGAIN, WH_ERROR.
 */
int wh_store_get_key(wh_store_t *store, const char *sku, size_t len,
    const char *key, wh_use_t *use, wh_error_t *err);

/*
 * Remembers a key, in the place of an older use of it.  In turn some
 * are forgotten, up to two for each reason: those used in the same partition before use->time less
 * retention (ms), and the oldest ones past the number of max.
 * WH_OK, WH_ERROR.
 */
int wh_store_put_key(wh_store_t *store, const char *sku, size_t len,
    const char *key, const wh_use_t *use, int64_t retention, int64_t max,
    wh_error_t *err);

/* How many keys are remembered, at most.  WH_OK, WH_AGAIN, WH_ERROR. */
int wh_store_keys(wh_store_t *store, int64_t *keys, wh_error_t *err);

/*
 * Writes a row of outcomes behind the others, in the caller's transaction;
 * moves the end of the last one, if that is at from, to a position in
 * notifications (WH_NONE: it is not, or there is none); forgets those that lie
 * further back than the last most.  WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM.
 */
int wh_store_put_outcomes(wh_store_t *store, const wh_outcomes_t *outcomes,
    wh_error_t *err);
int wh_store_extend_outcomes(wh_store_t *store, int64_t from, int64_t to,
    wh_error_t *err);
int wh_store_limit_outcomes(wh_store_t *store, int64_t most, wh_error_t *err);

/* How many commands have their outcome in there, at most. */
int wh_store_outcomes(wh_store_t *store, int64_t *outcomes, wh_error_t *err);

/* Reads a position: the first offset not processed; -1: none is stored. */
int wh_store_get_position(wh_store_t *store, const char *topic,
    int32_t partition, int64_t *next, wh_error_t *err);

/* Asks whether something of a topic was processed, by any position in it. */
int wh_store_knows_topic(wh_store_t *store, const char *topic, int *known,
    wh_error_t *err);

/*
 * Moves a position from expected (-1: none stored yet) to next.
 * WH_OK; WH_CONFLICT: it is not at expected; WH_ERROR.
 */
int wh_store_move_position(wh_store_t *store, const char *topic,
    int32_t partition, int64_t expected, int64_t next, wh_error_t *err);

/*
 * Reads or writes a row of meta.  value has room for size bytes and is ""
 * where there is no such row.  WH_OK, WH_AGAIN, WH_ERROR.
 */
int wh_store_get_meta(wh_store_t *store, const char *name, char *value,
    size_t size, wh_error_t *err);
int wh_store_set_meta(wh_store_t *store, const char *name, const char *value,
    wh_error_t *err);

/* Adds to the counters.  WH_OK, WH_ERROR. */
int wh_store_count(wh_store_t *store, const int64_t counts[WH_STAT_LAST],
    wh_error_t *err);

/*
 * Between transactions: empties the write-ahead log if it is past its limit
 * and no reader is in the way.  Trouble is logged; it costs disk, not data.
 */
void wh_store_checkpoint(wh_store_t *store);


#endif
