#include "store/check.h"
#include "store/internal.h"
#include "store/store.h"
#include "wh_schema.h"

#include <string.h>


/*
 * SQLite has no checksums: where the end of a page was lost, its cells are
 * empty, and a lookup takes what was in them for things that never were.  The
 * whole integrity_check would also look for each idempotency key in its
 * indexes, and take many times as long.
 */

static const char  *wh_store_checks[] = {

    /* each page's structure, what may not be NULL, CHECK */
    "PRAGMA quick_check(1)",

    /* the order of the items, on which lookups rely */
    "PRAGMA integrity_check(items)"
};


static int wh_store_check_run(sqlite3 *db, const char *sql, wh_error_t *err);
static int wh_store_check_fail(const char *found, wh_error_t *err);


int
wh_store_check(wh_store_t *s, wh_store_file_t *whole, wh_error_t *err)
{
    int                     rc;
    const wh_store_file_t  *f;

    f = &s->opened;

    if (f->dev == whole->dev && f->ino == whole->ino && f->size == whole->size
        && f->mtime.tv_sec == whole->mtime.tv_sec
        && f->mtime.tv_nsec == whole->mtime.tv_nsec)
    {
        return WH_OK;
    }

    rc = wh_store_check_pages(s->db, err);

    if (rc == WH_OK) {
        *whole = *f;
    }

    return rc;
}


int
wh_store_check_pages(sqlite3 *db, wh_error_t *err)
{
    int     rc;
    size_t  i;

    rc = WH_OK;

    for (i = 0; rc == WH_OK
                && i < sizeof(wh_store_checks) / sizeof(wh_store_checks[0]);
         i++)
    {
        rc = wh_store_check_run(db, wh_store_checks[i], err);
    }

    return rc;
}


/* The first row of the result is "ok" or what was found. */

static int
wh_store_check_run(sqlite3 *db, const char *sql, wh_error_t *err)
{
    int            rc;
    const char    *found;
    sqlite3_stmt  *stmt;

    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK
        || sqlite3_step(stmt) != SQLITE_ROW)
    {
        rc = wh_schema_fail(db, "checking the database", err);

    } else {
        found = (const char *) sqlite3_column_text(stmt, 0);

        if (found == NULL) {
            rc = wh_error_set(err, WH_NOMEM, "out of memory");

        } else if (strcmp(found, "ok") == 0) {
            rc = WH_OK;

        } else {
            rc = wh_store_check_fail(found, err);
        }
    }

    (void) sqlite3_finalize(stmt);

    return rc;
}


/*
 * What was found may have several lines, the last of which says the most.  A
 * page that could not be read is among what was found, too.
 */

static int
wh_store_check_fail(const char *found, wh_error_t *err)
{
    int          unread;
    const char  *last;

    last = strrchr(found, '\n');
    unread = strstr(found, "unable to get the page") != NULL
             || strstr(found, "failed to get page") != NULL;

    return wh_error_set(err, WH_ERROR, "checking the database: %s%s",
                        (last == NULL) ? found : last + 1,
                        unread ? "; it cannot be read" : WH_SCHEMA_DAMAGED);
}
