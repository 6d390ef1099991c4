#include "verify/held.h"
#include "store/files.h"
#include "store/look.h"
#include "wh_schema.h"
#include "wh_text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


/* bytes for a text of a database, every byte of it escaped */
#define WH_HELD_QUOTED  4096


/* in temporary files of SQLite's, which nobody else sees */

static const char  wh_held_sql[] =
    "CREATE TEMP TABLE held_items("
    " sku TEXT PRIMARY KEY, qty INTEGER, version INTEGER) WITHOUT ROWID;"
    "INSERT INTO held_items SELECT sku, qty, version FROM items ORDER BY sku;"
    "CREATE TEMP TABLE held_positions AS"
    " SELECT topic, partition, next FROM positions;";

static const char  wh_held_keys_sql[] =
    "CREATE TEMP TABLE held_keys AS SELECT sku, key, change, partition, offset"
    " FROM keys;";


/* What may differ, and how a line says it; all rows are differences. */

typedef struct {
    const char  *sql;
    void       (*say)(sqlite3_stmt *stmt);
} wh_held_check_t;


static int wh_held_open(wh_held_t *held, const wh_conf_t *conf, int *alone,
    wh_error_t *err);
static int wh_held_read(wh_held_t *held, const wh_conf_t *conf,
    wh_error_t *err);
static int wh_held_meta(wh_held_t *held, const wh_conf_t *conf,
    wh_error_t *err);
static int wh_held_exec(sqlite3 *db, const char *sql, const char *what,
    wh_error_t *err);
static int wh_held_query(sqlite3 *db, sqlite3_stmt **stmt, const char *sql,
    const char *topic, wh_error_t *err);
static int wh_held_check(wh_held_t *held, const wh_conf_t *conf,
    const wh_held_check_t *check, int64_t *differences, wh_error_t *err);
static void wh_held_say_item(sqlite3_stmt *stmt);
static void wh_held_say_key(sqlite3_stmt *stmt);
static void wh_held_say_position(sqlite3_stmt *stmt);
static void wh_held_say_state(sqlite3_stmt *stmt, int column);
static void wh_held_say_use(sqlite3_stmt *stmt, int column);
static void wh_held_say_text(sqlite3_stmt *stmt, int column);
static const char *wh_held_text(sqlite3_stmt *stmt, int column);


static const wh_held_check_t  wh_held_checks[] = {

    { "SELECT h.sku, h.qty, h.version, r.qty, r.version"
      " FROM held_items h LEFT JOIN replay.items r USING(sku)"
      " WHERE r.sku IS NULL OR r.qty != h.qty OR r.version != h.version"
      " UNION ALL"
      " SELECT r.sku, NULL, NULL, r.qty, r.version"
      " FROM replay.items r LEFT JOIN held_items h USING(sku)"
      " WHERE h.sku IS NULL ORDER BY 1", wh_held_say_item },

    /* the database has forgotten those that are old enough */

    { "SELECT h.sku, h.key, h.change, h.partition, h.offset,"
      " r.change, r.partition, r.offset"
      " FROM held_keys h LEFT JOIN replay.keys r USING(sku, key)"
      " WHERE r.sku IS NULL OR r.change != h.change"
      " OR r.partition != h.partition OR r.offset != h.offset"
      " ORDER BY 1, 2", wh_held_say_key },

    { "SELECT r.topic, r.partition, h.next, r.next"
      " FROM replay.positions r LEFT JOIN held_positions h"
      " USING(topic, partition)"
      " WHERE r.topic = ?1 AND (h.next IS NULL OR h.next < r.next)"
      " ORDER BY 2", wh_held_say_position },
};


int
wh_held_copy(wh_held_t *held, const wh_conf_t *conf, wh_error_t *err)
{
    int   alone, rc;
    char  log[PATH_MAX];

    memset(held, 0, sizeof(wh_held_t));

    rc = wh_held_open(held, conf, &alone, err);

    if (rc == WH_OK) {
        rc = wh_held_exec(held->db, "BEGIN", "reading", err);
    }

    if (rc == WH_OK) {
        rc = wh_held_read(held, conf, err);
    }

    if (rc == WH_OK) {
        rc = wh_held_exec(held->db, "COMMIT", "reading", err);
    }

    if (alone && wh_file_name(log, conf->database, "-wal", NULL) == WH_OK
        && access(log, F_OK) == 0)
    {
        return wh_error_set(err, WH_AGAIN, "database \"%s\" was opened "
                            "meanwhile; try again", conf->database);
    }

    return rc;
}


void
wh_held_close(wh_held_t *held)
{
    (void) sqlite3_close(held->db);
    held->db = NULL;
}


/*
 * Whoever has the database open has its -wal and -shm, empty or not; a copy has
 * neither.
 */

static int
wh_held_open(wh_held_t *held, const wh_conf_t *conf, int *alone,
    wh_error_t *err)
{
    char  file[PATH_MAX];

    *alone = 0;

    if (wh_file_name(file, conf->database, "-wal", err) != WH_OK) {
        return WH_ERROR;
    }

    if (access(conf->database, R_OK) == -1) {
        return wh_error_set(err, WH_ERROR, "database \"%s\": %s",
                            conf->database, strerror(errno));
    }

    *alone = (access(file, F_OK) == -1);

    (void) wh_file_name(file, conf->database, "-shm", NULL);

    if (!*alone && access(file, F_OK) == -1) {
        return wh_error_set(err, WH_ERROR, "database \"%s\" has a write-ahead "
                            "log without its -shm: start the daemon, which "
                            "recovers it, or make a copy by SQLite's .backup",
                            conf->database);
    }

    return wh_look_open(&held->db, conf->database, *alone, err);
}


static int
wh_held_read(wh_held_t *held, const wh_conf_t *conf, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    rc = wh_schema_readable(held->db, err);

    if (rc == WH_OK) {
        rc = wh_held_meta(held, conf, err);
    }

    if (rc == WH_OK) {
        rc = wh_held_exec(held->db, wh_held_sql, "copying", err);
    }

    /* the first schema had no keys */

    if (rc == WH_OK) {
        rc = wh_held_query(held->db, &stmt, "SELECT count(*) FROM sqlite_schema"
                           " WHERE name = 'keys'", NULL, err);
    }

    if (rc == WH_OK) {
        rc = wh_held_exec(held->db, sqlite3_column_int(stmt, 0) > 0
                          ? wh_held_keys_sql
                          : "CREATE TEMP TABLE held_keys(sku, key, change,"
                            " partition, offset)", "copying", err);
        (void) sqlite3_finalize(stmt);
    }

    if (rc == WH_OK) {
        rc = wh_held_query(held->db, &stmt, "SELECT count(*) FROM held_items",
                           NULL, err);
    }

    if (rc == WH_OK) {
        held->items = sqlite3_column_int64(stmt, 0);
        (void) sqlite3_finalize(stmt);
    }

    return rc;
}


static int
wh_held_meta(wh_held_t *held, const wh_conf_t *conf, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    rc = wh_held_query(held->db, &stmt, "SELECT coalesce((SELECT value FROM "
                       "meta WHERE name = 'cluster_id'), ''), coalesce((SELECT "
                       "next FROM positions WHERE topic = ?1 AND partition = "
                       "0), 0)", conf->notifications_topic, err);

    if (rc == WH_OK) {
        (void) snprintf(held->cluster, sizeof(held->cluster), "%s",
                        wh_held_text(stmt, 0));
        held->next = sqlite3_column_int64(stmt, 1);
        (void) sqlite3_finalize(stmt);
    }

    return rc;
}


static int
wh_held_exec(sqlite3 *db, const char *sql, const char *what, wh_error_t *err)
{
    return (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
           ? WH_OK : wh_schema_fail(db, what, err);
}


/*
 * Steps to the one row of a statement; ?1 is the topic.  After WH_OK the caller
 * finalizes it.
 */

static int
wh_held_query(sqlite3 *db, sqlite3_stmt **stmt, const char *sql,
    const char *topic, wh_error_t *err)
{
    int  rc;

    rc = sqlite3_prepare_v2(db, sql, -1, stmt, NULL);

    if (rc == SQLITE_OK && topic != NULL) {
        rc = sqlite3_bind_text(*stmt, 1, topic, -1, SQLITE_STATIC);
    }

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(*stmt);
    }

    if (rc != SQLITE_ROW) {
        rc = wh_schema_fail(db, "reading", err);
        (void) sqlite3_finalize(*stmt);
        return rc;
    }

    return WH_OK;
}


int
wh_held_compare(wh_held_t *held, const wh_conf_t *conf, const char *file,
    int64_t *differences, wh_error_t *err)
{
    int            rc;
    size_t         i;
    sqlite3_stmt  *stmt;

    *differences = 0;

    rc = sqlite3_prepare_v2(held->db, "ATTACH ?1 AS replay", -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_text(stmt, 1, file, -1, SQLITE_STATIC);
    }

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }

    rc = (rc == SQLITE_DONE) ? WH_OK
                             : wh_schema_fail(held->db, "opening the replay",
                                              err);
    (void) sqlite3_finalize(stmt);

    for (i = 0; rc == WH_OK
                && i < sizeof(wh_held_checks) / sizeof(wh_held_checks[0]);
         i++)
    {
        rc = wh_held_check(held, conf, &wh_held_checks[i], differences, err);
    }

    if (rc == WH_OK && fflush(stdout) != 0) {
        return wh_error_set(err, WH_ERROR, "writing the differences: %s",
                            strerror(errno));
    }

    return rc;
}


static int
wh_held_check(wh_held_t *held, const wh_conf_t *conf,
    const wh_held_check_t *check, int64_t *differences, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    rc = sqlite3_prepare_v2(held->db, check->sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(stmt) > 0) {
        rc = sqlite3_bind_text(stmt, 1, conf->commands_topic, -1,
                               SQLITE_STATIC);
    }

    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            check->say(stmt);
            (*differences)++;
        }
    }

    rc = (rc == SQLITE_DONE) ? WH_OK
                             : wh_schema_fail(held->db, "comparing", err);

    (void) sqlite3_finalize(stmt);

    return rc;
}


static void
wh_held_say_item(sqlite3_stmt *stmt)
{
    printf("item ");
    wh_held_say_text(stmt, 0);
    printf(": in the database ");
    wh_held_say_state(stmt, 1);
    printf(", by notifications ");
    wh_held_say_state(stmt, 3);
    printf("\n");
}


static void
wh_held_say_state(sqlite3_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        printf("it is not there");
        return;
    }

    printf("stock %s, version %s", wh_held_text(stmt, column),
           wh_held_text(stmt, column + 1));
}


static void
wh_held_say_key(sqlite3_stmt *stmt)
{
    printf("item ");
    wh_held_say_text(stmt, 0);
    printf(", key ");
    wh_held_say_text(stmt, 1);
    printf(": in the database ");
    wh_held_say_use(stmt, 2);
    printf(", by notifications ");
    wh_held_say_use(stmt, 5);
    printf("\n");
}


static void
wh_held_say_use(sqlite3_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        printf("it was not used");
        return;
    }

    printf("used by command %s:%s for %s", wh_held_text(stmt, column + 1),
           wh_held_text(stmt, column + 2), wh_held_text(stmt, column));
}


static void
wh_held_say_position(sqlite3_stmt *stmt)
{
    printf("commands of \"%s\", partition %s: processed before %s by the "
           "database, before %s by notifications\n", wh_held_text(stmt, 0),
           wh_held_text(stmt, 1),
           sqlite3_column_type(stmt, 2) == SQLITE_NULL
           ? "0" : wh_held_text(stmt, 2), wh_held_text(stmt, 3));
}


/* Quoted as JSON: it may hold anything. */

static void
wh_held_say_text(sqlite3_stmt *stmt, int column)
{
    char        buf[WH_HELD_QUOTED];
    wh_text_t   text;

    wh_text_init(&text, buf, sizeof(buf));
    wh_text_string(&text, wh_held_text(stmt, column),
                   (size_t) sqlite3_column_bytes(stmt, column));

    printf("%.*s", (int) wh_text_len(&text), buf);
}


/* Numbers are texts here, too. */

static const char *
wh_held_text(sqlite3_stmt *stmt, int column)
{
    const unsigned char  *text;

    text = sqlite3_column_text(stmt, column);

    return (text != NULL) ? (const char *) text : "";
}
