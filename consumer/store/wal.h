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
 * Remembers which files the log is in; whether it still is, for a log without a
 * name is one that nobody else reads; removes them, if they are still these:
 * where the database was replaced and its log was not, SQLite would apply the
 * log of the one to the other.
 */
void wh_store_log_opened(wh_store_t *store);
int wh_store_log_same(const wh_store_t *store);
void wh_store_log_drop(const wh_store_t *store);


#endif
