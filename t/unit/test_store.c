/*
 * The database file: which ones are opened, how a new one takes its place,
 * its permissions, and its log.  What is in it is in test_store_sql.c.
 */

#include "unit_store.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>


static const char  *unit_suffixes[] = { "", "-wal", "-shm" };


static char *
unit_name(const unit_store_t *u, const char *suffix)
{
    static char  name[400];

    (void) snprintf(name, sizeof(name), "%s%s", u->path, suffix);

    return name;
}


static int
unit_exists(const unit_store_t *u, const char *suffix)
{
    return access(unit_name(u, suffix), F_OK) == 0;
}


static int64_t
unit_size(const unit_store_t *u, const char *suffix)
{
    struct stat  st;

    assert_int_equal(stat(unit_name(u, suffix), &st), 0);

    return st.st_size;
}


static void
unit_file(const unit_store_t *u, const char *text, size_t len)
{
    FILE  *file;

    file = fopen(u->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}


static int
unit_open(unit_store_t *u)
{
    return wh_store_open(&u->store, UNIT_CONF(u->path, 0), &u->err);
}


/* Writes one item, in a transaction of its own. */

static void
unit_write(unit_store_t *u, const char *sku, int64_t qty)
{
    wh_item_t  item;

    item.qty = qty;
    item.version = 1;

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, wh_store_put_item(u->store, sku, strlen(sku), 0, &item,
                                 &u->err), WH_OK);
    unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);
}


static void
test_open_missing(void **state)
{
    unit_store_t  *u = *state;

    assert_int_equal(unit_open(u), WH_NONE);
    u->store = NULL;

    /* asking did not make one */

    assert_false(unit_exists(u, ""));
}


static void
test_open_empty(void **state)
{
    unit_store_t  *u = *state;

    unit_file(u, "", 0);
    assert_int_equal(unit_open(u), WH_NONE);
    u->store = NULL;
}


static void
test_open_text(void **state)
{
    char           *text;
    size_t          len;
    unit_store_t   *u = *state;

    unit_file(u, T("not a database\n"));
    assert_int_equal(unit_open(u), WH_ERROR);
    assert_int_not_equal(u->err.text[0], '\0');

    text = unit_repeat("", 'x', 8192, "\n", &len);
    unit_file(u, text, len);
    free(text);
    assert_int_equal(unit_open(u), WH_ERROR);
    u->store = NULL;

    /* and it is left as it was */

    assert_int_equal(unit_size(u, ""), 8193);
}


static void
test_open_foreign(void **state)
{
    unit_store_t  *u = *state;

    /* somebody's own table */

    unit_other_open(u);
    unit_sql(u, "CREATE TABLE people(name TEXT)");
    assert_int_equal(unit_open(u), WH_ERROR);

    /* tables of ours, of a later version */

    unit_sql(u, "DROP TABLE people");
    unit_sql(u, "CREATE TABLE items(sku TEXT PRIMARY KEY, qty INTEGER,"
                " version INTEGER) WITHOUT ROWID");
    unit_sql(u, "PRAGMA user_version = 99");
    assert_int_equal(unit_open(u), WH_ERROR);
    assert_int_not_equal(u->err.text[0], '\0');
    u->store = NULL;
}


/*
 * A database of 50 items whose file is whole, and closed; returns where in it
 * the last page of items begins.
 */

static long
unit_fifty(unit_store_t *u, wh_store_file_t *whole)
{
    int      i;
    char     sku[WH_SKU_MAX + 1];
    int64_t  page;

    for (i = 0; i < 50; i++) {
        (void) snprintf(sku, sizeof(sku), "%0200d", i);
        unit_write(u, sku, 1);
    }

    unit_sql(u, "PRAGMA wal_checkpoint(TRUNCATE)");
    page = unit_sql_int(u, "SELECT max(pageno) FROM dbstat"
                           " WHERE name = 'items' AND pagetype = 'leaf'");

    assert_int_equal(sqlite3_close(u->other), SQLITE_OK);
    u->other = NULL;
    wh_store_close(u->store);

    unit_rc(u, unit_open(u), WH_OK);
    unit_rc(u, wh_store_check(u->store, whole, &u->err), WH_OK);
    wh_store_close(u->store);
    u->store = NULL;

    return (page - 1) * 4096;
}


static void
unit_change(unit_store_t *u, long offset, const char *bytes, size_t len)
{
    FILE  *file;

    file = fopen(u->path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}


/* The half of the page that its cells are in is lost. */

static void
unit_tear(unit_store_t *u, long page)
{
    static const char  zeros[2048];

    unit_change(u, page + 2048, zeros, sizeof(zeros));
}


static void
unit_damaged(unit_store_t *u, wh_store_file_t *whole)
{
    unit_rc(u, unit_open(u), WH_OK);
    assert_int_equal(wh_store_check(u->store, whole, &u->err), WH_ERROR);
    assert_non_null(strstr(u->err.text, "move it away"));
    assert_null(strchr(u->err.text, '\n'));

    /* and it is not taken for one that was found whole */

    assert_int_equal(wh_store_check(u->store, whole, &u->err), WH_ERROR);
}


/* SQLite reads on. */

static void
test_check_torn(void **state)
{
    long              page;
    unit_store_t     *u = *state;
    wh_store_file_t   whole = { 0 };

    page = unit_fifty(u, &whole);
    unit_tear(u, page);

    unit_other_open(u);
    assert_true(unit_sql_int(u, "SELECT count(*) FROM items WHERE qty = 1")
                < 50);

    unit_damaged(u, &whole);
}


/* Cells fill a page from its end: this changes the sku of its first item. */

static void
test_check_order(void **state)
{
    long              page;
    unit_store_t     *u = *state;
    wh_store_file_t   whole = { 0 };

    page = unit_fifty(u, &whole);
    unit_change(u, page + 4096 - 100, T("9"));
    unit_damaged(u, &whole);
}


/* A file that has not changed is not read again. */

static void
test_check_again(void **state)
{
    long              page;
    struct stat       st;
    unit_store_t     *u = *state;
    wh_store_file_t   whole = { 0 };

    page = unit_fifty(u, &whole);
    assert_int_equal(stat(u->path, &st), 0);
    unit_tear(u, page);

    assert_int_equal(utimensat(AT_FDCWD, u->path,
                               (struct timespec[]) { st.st_atim, st.st_mtim },
                               0), 0);
    unit_rc(u, unit_open(u), WH_OK);
    unit_rc(u, wh_store_check(u->store, &whole, &u->err), WH_OK);

    memset(&whole, 0, sizeof(wh_store_file_t));
    assert_int_equal(wh_store_check(u->store, &whole, &u->err), WH_ERROR);
}


/* Nobody sees the new database before it is published. */

static void
test_publish(void **state)
{
    wh_item_t      item;
    unit_store_t  *u = *state;

    unit_rc(u, wh_store_create(&u->store, UNIT_CONF(u->path, 0640),
                               &u->err), WH_OK);
    assert_true(wh_store_unpublished(u->store));
    assert_false(unit_exists(u, ""));
    assert_true(unit_exists(u, ".new"));

    unit_write(u, "A", 10);

    unit_rc(u, wh_store_publish(&u->store, &u->err), WH_OK);
    assert_false(wh_store_unpublished(u->store));
    assert_false(unit_exists(u, ".new"));
    assert_false(unit_exists(u, ".new-wal"));
    assert_false(unit_exists(u, ".new-shm"));
    unit_rc(u, wh_store_same_file(u->store, &u->err), WH_OK);

    unit_rc(u, wh_store_get_item(u->store, "A", 1, &item, &u->err), WH_OK);
    assert_int_equal(item.qty, 10);
    assert_int_equal(item.version, 1);

    /* it stays after a restart */

    wh_store_close(u->store);
    unit_rc(u, unit_open(u), WH_OK);
    assert_false(wh_store_unpublished(u->store));
    unit_rc(u, wh_store_get_item(u->store, "A", 1, &item, &u->err), WH_OK);
    assert_int_equal(item.qty, 10);

    wh_store_close(NULL);
}


/* A rebuild that was interrupted goes on; what it left can be thrown away. */

static void
test_create_again(void **state)
{
    wh_item_t      item;
    unit_store_t  *u = *state;

    unit_rc(u, wh_store_create(&u->store, UNIT_CONF(u->path, 0640),
                               &u->err), WH_OK);
    unit_write(u, "A", 10);
    wh_store_close(u->store);

    unit_rc(u, wh_store_create(&u->store, UNIT_CONF(u->path, 0640),
                               &u->err), WH_OK);
    assert_true(wh_store_unpublished(u->store));
    unit_rc(u, wh_store_get_item(u->store, "A", 1, &item, &u->err), WH_OK);
    assert_int_equal(item.qty, 10);

    unit_rc(u, wh_store_renew(&u->store, &u->err), WH_OK);
    assert_true(wh_store_unpublished(u->store));
    unit_rc(u, wh_store_get_item(u->store, "A", 1, &item, &u->err), WH_OK);
    assert_int_equal(item.version, 0);

    unit_rc(u, wh_store_publish(&u->store, &u->err), WH_OK);
}


/* One that is no database, or a damaged one, does not end up in the next. */

static void
test_create_over_garbage(void **state)
{
    char           path[512];
    FILE          *f;
    unit_store_t  *u = *state;

    (void) snprintf(path, sizeof(path), "%s.new", u->path);

    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("this is no database, and never was", f) >= 0);
    assert_int_equal(fclose(f), 0);

    unit_rc(u, wh_store_create(&u->store, UNIT_CONF(u->path, 0640),
                               &u->err), WH_OK);
    unit_write(u, "A", 10);
    unit_rc(u, wh_store_publish(&u->store, &u->err), WH_OK);
}


/*
 * The old database's log, which a reader keeps from being written back, must
 * not be replayed into the new one.
 */

static void
test_publish_over(void **state)
{
    wh_item_t      item;
    unit_store_t  *u = *state;

    unit_store_make(u, 0640);
    unit_write(u, "old", 1);
    unit_other_open(u);
    unit_sql(u, "BEGIN");
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), 1);
    unit_write(u, "older", 1);
    wh_store_close(u->store);
    assert_int_not_equal(unit_size(u, "-wal"), 0);

    unit_rc(u, wh_store_create(&u->store, UNIT_CONF(u->path, 0640),
                               &u->err), WH_OK);
    unit_write(u, "new", 2);
    unit_rc(u, wh_store_publish(&u->store, &u->err), WH_OK);
    unit_write(u, "newer", 3);

    unit_rc(u, wh_store_get_item(u->store, "old", 3, &item, &u->err), WH_OK);
    assert_int_equal(item.version, 0);
    unit_rc(u, wh_store_get_item(u->store, "new", 3, &item, &u->err), WH_OK);
    assert_int_equal(item.qty, 2);

    /* the reader goes on with what it has; a new one sees the new database */

    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), 1);
    unit_sql(u, "COMMIT");
    (void) sqlite3_close(u->other);

    unit_other_open(u);
    assert_int_equal(unit_sql_int(u, "SELECT sum(qty) FROM items"), 5);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM"
                                     " pragma_integrity_check"
                                     " WHERE integrity_check = 'ok'"), 1);
}


/* The disk is full, or path is a directory: no store, and path is as it was. */

static void
test_publish_failure(void **state)
{
    int             rc;
    char            file[400];
    unit_store_t   *u = *state;
    struct rlimit   old, small;

    unit_rc(u, wh_store_create(&u->store, UNIT_CONF(u->path, 0640),
                               &u->err), WH_OK);
    unit_write(u, "A", 10);

    assert_int_equal(mkdir(u->path, 0700), 0);
    (void) snprintf(file, sizeof(file), "%s/file", u->path);
    assert_int_equal(mkdir(file, 0700), 0);

    assert_int_equal(wh_store_publish(&u->store, &u->err), WH_ERROR);
    assert_null(u->store);

    assert_int_equal(rmdir(file), 0);
    assert_int_equal(rmdir(u->path), 0);

    unit_rc(u, wh_store_create(&u->store, UNIT_CONF(u->path, 0640),
                               &u->err), WH_OK);
    unit_write(u, "B", 10);

    (void) signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);

    rc = wh_store_publish(&u->store, &u->err);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    unit_rc(u, rc, WH_ERROR);
    assert_false(unit_exists(u, ""));
    assert_null(u->store);
}


/* -wal and -shm take the database's mode, whatever the umask. */

static void
test_mode(void **state)
{
    mode_t                old;
    size_t                i, j, k, failed;
    struct stat           st;
    unit_store_t         *u = *state;
    static const int64_t  modes[] = { 0600, 0640, 0644, 0660 };
    static const mode_t   masks[] = { 0, 022, 077 };

    failed = 0;

    for (i = 0; i < unit_items(modes); i++) {
        for (j = 0; j < unit_items(masks); j++) {

            old = umask(masks[j]);
            unit_store_make(u, modes[i]);
            unit_write(u, "A", 1);
            (void) umask(old);

            for (k = 0; k < unit_items(unit_suffixes); k++) {
                assert_int_equal(stat(unit_name(u, unit_suffixes[k]), &st), 0);
                failed += unit_differ(unit_suffixes[k],
                                      strlen(unit_suffixes[k]),
                                      st.st_mode & 07777, modes[i]);
            }

            wh_store_close(u->store);
            u->store = NULL;
        }
    }

    assert_int_equal(failed, 0);

    /* readers of another uid need all three with the writer gone, too */

    for (k = 0; k < unit_items(unit_suffixes); k++) {
        assert_true(unit_exists(u, unit_suffixes[k]));
    }
}


static void
test_same_file(void **state)
{
    char           copy[400];
    unit_store_t  *u = *state;

    unit_rc(u, wh_store_same_file(u->store, &u->err), WH_OK);

    /* removed */

    assert_int_equal(unlink(u->path), 0);
    unit_rc(u, wh_store_same_file(u->store, &u->err), WH_AGAIN);

    /* replaced by another one */

    unit_file(u, T("a restored database"));
    unit_rc(u, wh_store_same_file(u->store, &u->err), WH_AGAIN);

    /* moved away and back: the same file again */

    wh_store_close(u->store);
    assert_int_equal(unlink(u->path), 0);
    unit_store_make(u, 0640);
    (void) snprintf(copy, sizeof(copy), "%s.moved", u->path);

    assert_int_equal(rename(u->path, copy), 0);
    unit_rc(u, wh_store_same_file(u->store, &u->err), WH_AGAIN);
    assert_int_equal(rename(copy, u->path), 0);
    unit_rc(u, wh_store_same_file(u->store, &u->err), WH_OK);
}


/* Past its limit the log is emptied between transactions. */

static void
test_checkpoint(void **state)
{
    int            i;
    char           sku[WH_SKU_MAX + 1];
    wh_item_t      item;
    unit_store_t  *u = *state;

    for (i = 0; i < 50; i++) {
        (void) snprintf(sku, sizeof(sku), "%0200d", i);
        unit_write(u, sku, 1);
    }

    wh_store_checkpoint(u->store);
    assert_int_not_equal(unit_size(u, "-wal"), 0);

    /* a transaction that is larger than the limit by itself */

    item.qty = 1;
    item.version = 1;

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);

    for ( ; i < 20000; i++) {
        (void) snprintf(sku, sizeof(sku), "%0200d", i);
        unit_rc(u, wh_store_put_item(u->store, sku, strlen(sku), 0, &item,
                                     &u->err), WH_OK);
    }

    unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);
    assert_true(unit_size(u, "-wal") > 2 * UNIT_WAL_LIMIT);

    wh_store_checkpoint(u->store);
    assert_int_equal(unit_size(u, "-wal"), 0);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), i);
}


#define unit_dir_test(f)                                                      \
    cmocka_unit_test_setup_teardown(f, unit_dir_setup, unit_store_teardown)
#define unit_store_test(f)                                                    \
    cmocka_unit_test_setup_teardown(f, unit_store_setup, unit_store_teardown)


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        unit_dir_test(test_open_missing),
        unit_dir_test(test_open_empty),
        unit_dir_test(test_open_text),
        unit_dir_test(test_open_foreign),
        unit_store_test(test_check_torn),
        unit_store_test(test_check_order),
        unit_store_test(test_check_again),
        unit_dir_test(test_publish),
        unit_dir_test(test_create_again),
        unit_dir_test(test_create_over_garbage),
        unit_dir_test(test_publish_over),
        unit_dir_test(test_publish_failure),
        unit_dir_test(test_mode),
        unit_store_test(test_same_file),
        unit_store_test(test_checkpoint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
