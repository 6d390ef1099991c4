#include "unit_store.h"

#include <dirent.h>
#include <unistd.h>


int
unit_dir_setup(void **state)
{
    const char    *tmp;
    unit_store_t  *u;

    u = calloc(1, sizeof(unit_store_t));
    assert_non_null(u);

    tmp = getenv("TMPDIR");
    (void) snprintf(u->dir, sizeof(u->dir), "%s/warehouse-unit.XXXXXX",
                    tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(u->dir));
    (void) snprintf(u->path, sizeof(u->path), "%s/db", u->dir);

    *state = u;

    return 0;
}


int
unit_store_setup(void **state)
{
    unit_dir_setup(state);
    unit_store_make(*state, 0640);
    unit_other_open(*state);

    return 0;
}


int
unit_store_teardown(void **state)
{
    DIR            *dir;
    char            file[600];
    unit_store_t   *u = *state;
    struct dirent  *entry;

    wh_store_close(u->store);
    (void) sqlite3_close(u->other);

    dir = opendir(u->dir);
    assert_non_null(dir);

    while ((entry = readdir(dir)) != NULL) {
        (void) snprintf(file, sizeof(file), "%s/%s", u->dir, entry->d_name);
        (void) unlink(file);
    }

    (void) closedir(dir);
    (void) rmdir(u->dir);
    free(u);

    return 0;
}


void
unit_store_make(unit_store_t *u, int64_t mode)
{
    unit_rc(u, wh_store_create(&u->store, UNIT_CONF(u->path, mode),
                               &u->err), WH_OK);
    unit_rc(u, wh_store_publish(&u->store, &u->err), WH_OK);
}


void
unit_other_open(unit_store_t *u)
{
    assert_int_equal(sqlite3_open(u->path, &u->other), SQLITE_OK);
}


void
unit_sql(unit_store_t *u, const char *sql)
{
    int  rc;

    rc = sqlite3_exec(u->other, sql, NULL, NULL, NULL);

    if (rc != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(u->other));
    }
}


int64_t
unit_sql_int(unit_store_t *u, const char *sql)
{
    int64_t        n;
    sqlite3_stmt  *stmt;

    assert_int_equal(sqlite3_prepare_v2(u->other, sql, -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);

    n = sqlite3_column_int64(stmt, 0);
    (void) sqlite3_finalize(stmt);

    return n;
}


void
unit_rc(const unit_store_t *u, int rc, int expected)
{
    if (rc != expected) {
        fail_msg("result %d, expected %d: %s", rc, expected,
                 rc != WH_OK ? u->err.text : "");
    }
}
