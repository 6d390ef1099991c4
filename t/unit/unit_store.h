/*
 * A directory of its own for a test, with a published database in it and a
 * second SQLite connection that plays somebody else.
 */

#ifndef UNIT_STORE_H
#define UNIT_STORE_H

#include "unit.h"

#include <sqlite3.h>

#include "store/store.h"


#define UNIT_WAL_LIMIT  (1 << 20)    /* bytes */

#define UNIT_CONF(p, m)                                                       \
    &(wh_store_conf_t) { .path = (p), .mode = (m),                            \
                         .wal_limit = UNIT_WAL_LIMIT, .cache = 1 << 20 }


typedef struct {
    char         dir[256];
    char         path[300];          /* of the database, in dir */
    wh_store_t  *store;
    sqlite3     *other;
    wh_error_t   err;                /* of the call that failed last */
} unit_store_t;


/* cmocka's setup and teardown: only the directory, or all of it */
int unit_dir_setup(void **state);
int unit_store_setup(void **state);
int unit_store_teardown(void **state);

/* Makes an empty database and publishes it as u->store. */
void unit_store_make(unit_store_t *u, int64_t mode);

/* Opens the database once more as u->other. */
void unit_other_open(unit_store_t *u);

/* Runs SQL as somebody else; the second returns the one number selected. */
void unit_sql(unit_store_t *u, const char *sql);
int64_t unit_sql_int(unit_store_t *u, const char *sql);

/* Fails the test, with err's text, unless rc is expected. */
void unit_rc(const unit_store_t *u, int rc, int expected);


#endif
