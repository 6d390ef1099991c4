/*
 * The database's schema: written by the daemon, read by the module.
 * Both ask here whether a file is a database they understand.
 */

#ifndef WH_SCHEMA_H
#define WH_SCHEMA_H

#include <sqlite3.h>

#include "wh_error.h"

#if SQLITE_VERSION_NUMBER < 3033000
#error "SQLite 3.33 or newer is needed: sqlite_schema"
#endif


#define WH_SCHEMA_VERSION  4    /* PRAGMA user_version */

/* the end of a message about a database with damaged pages */
#define WH_SCHEMA_DAMAGED                                                     \
    "; the database is damaged: move it away, with its -wal and -shm, to"     \
    " have it rebuilt from Kafka"

/* all items, bytewise by sku: the primary key's own order */
#define WH_SQL_LIST_ITEMS  "SELECT sku, qty FROM items ORDER BY sku"

/* one of them; those from or after ?1 to before ?2, ?3 of them at most */
#define WH_SQL_ONE_ITEM    "SELECT qty, version FROM items WHERE sku = ?1"
#define WH_SQL_ITEMS_FROM                                                     \
    "SELECT sku, qty FROM items WHERE sku >= ?1 AND sku < ?2"                 \
    " ORDER BY sku LIMIT ?3"
#define WH_SQL_ITEMS_AFTER                                                    \
    "SELECT sku, qty FROM items WHERE sku > ?1 AND sku < ?2"                  \
    " ORDER BY sku LIMIT ?3"

/* the first offset of the notifications topic that the items may not stand for */
#define WH_SQL_NOTIFIED                                                       \
    "SELECT next FROM positions WHERE partition = 0 AND topic ="              \
    " (SELECT value FROM meta WHERE name = 'notifications_topic')"

/* outcomes, see wh_schema.c: with the schema version; and what they need */
#define WH_SCHEMA_OUTCOMES  4
#define WH_SQL_VERSION      "PRAGMA user_version"
#define WH_SQL_NEXT                                                           \
    "SELECT next, partition FROM positions"                                   \
    " WHERE topic = ?1 AND partition >= ?2 ORDER BY partition LIMIT 1"
#define WH_SQL_COMMANDS                                                       \
    "SELECT value FROM meta WHERE name = 'commands_topic'"
#define WH_SQL_OUTCOME                                                        \
    "SELECT first, last, since, data FROM outcomes"                           \
    " WHERE topic = ?1 AND partition = ?2 AND first <= ?3"                    \
    " ORDER BY first DESC LIMIT 1"

/* how many they are, to some hundred: the first row's id is of its last one */
#define WH_SQL_KEPT                                                           \
    "SELECT coalesce((SELECT max(id) FROM outcomes) -"                        \
    " (SELECT id - min(last - first, 127) - 1 FROM outcomes"                  \
    " ORDER BY id LIMIT 1), 0)"

/* those that have notifications */
#define WH_SQL_FEED                                                           \
    "SELECT topic, partition, first, since, until, data FROM outcomes"        \
    " WHERE until > ?1 AND since < until ORDER BY until, id"

/* see wh_schema_ready() */
#define WH_SQL_STATE       "SELECT value FROM meta WHERE name = 'state'"


/*
 * Creates the tables in an empty database, in the caller's transaction.
 * WH_OK, WH_ERROR.
 */
int wh_schema_create(sqlite3 *db, wh_error_t *err);

/*
 * Checks that db may be written to: it has this schema or an older one.
 * WH_OK; WH_NONE: nothing in it yet; WH_AGAIN: busy; WH_ERROR: something
 * else, err says what.
 */
int wh_schema_check(sqlite3 *db, wh_error_t *err);

/*
 * The same for readers: a newer schema will do where meta's min_reader is not
 * newer than this one.
 */
int wh_schema_readable(sqlite3 *db, wh_error_t *err);

/*
 * Brings a database that wh_schema_check() accepted to this schema.
 * WH_OK, WH_AGAIN, WH_ERROR.
 */
int wh_schema_upgrade(sqlite3 *db, wh_error_t *err);

/*
 * Asks whether the stock may be shown, in the caller's read transaction.
 * WH_OK; WH_RECOVERING; WH_AGAIN, WH_NONE, WH_ERROR: as wh_schema_readable().
 */
int wh_schema_ready(sqlite3 *db, wh_error_t *err);

/*
 * The same by WH_SQL_STATE, prepared and not stepped yet: enough where nothing
 * but rows has changed since wh_schema_ready().  The caller resets it.
 */
int wh_schema_state(sqlite3 *db, sqlite3_stmt *stmt, wh_error_t *err);

/*
 * Maps a failed SQLite call to WH_AGAIN (locked, being opened, disk full),
 * WH_NOMEM or WH_ERROR and fills err with "what: SQLite's message", and what to
 * do where that is known.
 */
int wh_schema_fail(sqlite3 *db, const char *what, wh_error_t *err);


#endif
