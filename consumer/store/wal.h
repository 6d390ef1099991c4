/*
 * The write-ahead log of the database: how large it gets, when it is emptied,
 * and that none outlives its database.
 */

#ifndef WH_WAL_H
#define WH_WAL_H

#include "store/internal.h"


/* For a database that was opened. */
void wh_store_wal_init(wh_store_t *store);

/*
 * Remembers which files the log is in; whether it still is, for nobody reads one
 * that has no name.
 */
void wh_store_log_opened(wh_store_t *store);
int wh_store_log_same(const wh_store_t *store);

/*
 * Before a database is closed that was replaced, and its log was not: removes
 * that, if it still is this one; SQLite would apply the log of the one to the
 * other.
 */
void wh_store_log_drop(const wh_store_t *store);

/*
 * Before a database is closed whose log was removed: moves what it has into the
 * database, which has the suffix WH_FILES_DAMAGED until that is done; it keeps
 * it where that cannot be done.
 */
void wh_store_log_lost(const wh_store_t *store);


#endif
