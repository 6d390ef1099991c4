/*
 * What the parts of the store share: store.c (opening, publishing), wal.c (its
 * log), check.c (is it whole), sql.c (the statements), keys.c and
 * outcomes.c (those of two tables).  Included by nobody else.
 */

#ifndef WH_STORE_INTERNAL_H
#define WH_STORE_INTERNAL_H

#include <sqlite3.h>
#include <sys/types.h>

#include "store/store.h"


#define WH_STORE_BUSY_TIMEOUT  5000    /* ms to wait for another writer */


typedef enum {
    WH_SQL_BEGIN = 0,
    WH_SQL_BEGIN_READ,
    WH_SQL_COMMIT,
    WH_SQL_ROLLBACK,
    WH_SQL_GET_ITEM,
    WH_SQL_INSERT_ITEM,
    WH_SQL_UPDATE_ITEM,
    WH_SQL_GET_KEY,
    WH_SQL_PUT_KEY,
    WH_SQL_EXPIRE_KEYS,
    WH_SQL_LIMIT_KEYS,
    WH_SQL_GET_POSITION,
    WH_SQL_INSERT_POSITION,
    WH_SQL_UPDATE_POSITION,
    WH_SQL_KNOWS_TOPIC,
    WH_SQL_GET_META,
    WH_SQL_SET_META,
    WH_SQL_COUNT,
    WH_SQL_LAST_OUTCOME,
    WH_SQL_PUT_OUTCOME,
    WH_SQL_EXTEND_OUTCOME,
    WH_SQL_LIMIT_OUTCOMES,
    WH_SQL_OUTCOMES,
    WH_SQL_LAST
} wh_sql_t;


struct wh_store_s {
    wh_store_conf_t   conf;
    sqlite3          *db;
    sqlite3_stmt     *stmt[WH_SQL_LAST];
    int               unpublished;
    int64_t           wal_size;        /* bytes, after the last commit */
    int64_t           wal_retry;       /* bytes past which to try once more */
    int               wal_wait;        /* ms to wait for readers then */
    int64_t           wal_since;       /* wh_clock() when that began */
    wh_store_file_t   opened;
    ino_t             log_ino[2];      /* of -wal and -shm; 0: none */
    char             *file;            /* what is open: conf.path or .new */
};


/* Prepares all statements, or finalizes them.  WH_OK, WH_AGAIN, WH_ERROR. */
int wh_store_prepare(wh_store_t *store, wh_error_t *err);
void wh_store_finalize(wh_store_t *store);

/*
 * Runs a statement that returns no row, and resets it; what: for the message of
 * a failure.  WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM.
 */
int wh_store_write(wh_store_t *store, wh_sql_t sql, const char *what,
    wh_error_t *err);

/*
 * Binding fails only for a wrong index, a text past SQLite's limits or for
 * want of memory; the parameter is then NULL, and the statement that follows
 * finds nothing or fails on its constraints.  The text stays the caller's.
 */
void wh_store_bind_text(wh_store_t *store, wh_sql_t sql, int column,
    const char *text, size_t len);


#endif
