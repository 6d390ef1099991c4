#include "verify/held.h"
#include "base/signal.h"
#include "store/files.h"
#include "store/look.h"
#include "wh_schema.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


#define WH_HELD_STEPS  10000    /* of SQLite's, between looks for a stop */


/* in temporary files of SQLite's, which nobody else sees */

static const char  wh_held_sql[] =
    "CREATE TEMP TABLE held_items("
    " sku TEXT PRIMARY KEY, qty INTEGER, version INTEGER) WITHOUT ROWID;"
    "INSERT INTO held_items SELECT sku, qty, version FROM items ORDER BY sku;"
    "CREATE TEMP TABLE held_positions AS"
    " SELECT topic, partition, next FROM positions;";

/* keys: none in the first schema, without conditions before the fourth */

#define WH_HELD_KEYS  "CREATE TEMP TABLE held_keys AS SELECT"
#define WH_HELD_USE   " id, sku, key, change, time, partition, offset,"

static const char  *wh_held_keys_sql[] = {
    WH_HELD_KEYS " 0 AS id, NULL AS sku, NULL AS key, 0 AS change, 0 AS time,"
    " 0 AS partition, 0 AS offset, 0 AS expected_version, 0 AS expected_qty"
    " WHERE 0",
    WH_HELD_KEYS WH_HELD_USE " -1 AS expected_version, -1 AS expected_qty"
    " FROM keys",
    WH_HELD_KEYS WH_HELD_USE " expected_version, expected_qty FROM keys",
};


static int wh_held_open(wh_held_t *held, const char *path, int *alone,
    wh_error_t *err);
static int wh_held_stop(void *data);
static int wh_held_copy_tables(wh_held_t *held, const wh_conf_t *conf,
    wh_error_t *err);
static int wh_held_topics(wh_held_t *held, const wh_conf_t *conf,
    wh_error_t *err);
static int wh_held_topic(const char *what, const char *known,
    const char *configured, wh_error_t *err);
static int wh_held_tables(wh_held_t *held, wh_error_t *err);
static int wh_held_exec(sqlite3 *db, const char *sql, wh_error_t *err);
static int wh_held_row(sqlite3 *db, sqlite3_stmt **stmt, const char *sql,
    const char *topic, wh_error_t *err);
static int wh_held_unchanged(const wh_held_t *held, const char *path,
    int alone, wh_error_t *err);


int
wh_held_copy(wh_held_t *held, const wh_conf_t *conf, wh_error_t *err)
{
    int   alone, rc;
    char  path[PATH_MAX];

    memset(held, 0, sizeof(wh_held_t));

    /* SQLite's other files lie beside the one that a link leads to */

    if (realpath(conf->database, path) == NULL
        || stat(path, &held->file) == -1)
    {
        return wh_error_set(err, WH_ERROR, "database \"%s\": %s",
                            conf->database, strerror(errno));
    }

    rc = wh_held_open(held, path, &alone, err);

    if (rc == WH_OK) {
        /* for as long as it is open: comparing takes long, too */
        sqlite3_progress_handler(held->db, WH_HELD_STEPS, wh_held_stop, NULL);

        rc = wh_held_copy_tables(held, conf, err);
    }

    return (rc == WH_OK) ? wh_held_unchanged(held, path, alone, err) : rc;
}


static int
wh_held_stop(void *data)
{
    (void) data;

    return wh_stopping();
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
wh_held_open(wh_held_t *held, const char *path, int *alone, wh_error_t *err)
{
    char  file[PATH_MAX];

    if (wh_file_name(file, path, "-wal", err) != WH_OK) {
        return WH_ERROR;
    }

    *alone = (access(file, F_OK) == -1);

    (void) wh_file_name(file, path, "-shm", NULL);

    if (!*alone && access(file, F_OK) == -1) {
        return wh_error_set(err, WH_ERROR, "database \"%s\" has a write-ahead "
                            "log without its -shm: start the daemon, which "
                            "recovers it, or make a copy by SQLite's .backup",
                            path);
    }

    return wh_look_open(&held->db, path, *alone, err);
}


/* It is the file that was opened, and nobody wrote what was read without locks. */

static int
wh_held_unchanged(const wh_held_t *held, const char *path, int alone,
    wh_error_t *err)
{
    char         log[PATH_MAX];
    struct stat  st;

    (void) wh_file_name(log, path, "-wal", NULL);

    if (stat(path, &st) == -1 || st.st_dev != held->file.st_dev
        || st.st_ino != held->file.st_ino
        || (alone && access(log, F_OK) == 0))
    {
        return wh_error_set(err, WH_AGAIN, "database \"%s\" was opened or "
                            "replaced meanwhile; try again", path);
    }

    return WH_OK;
}


static int
wh_held_copy_tables(wh_held_t *held, const wh_conf_t *conf, wh_error_t *err)
{
    int  rc;

    rc = wh_held_exec(held->db, "BEGIN", err);

    if (rc == WH_OK) {
        rc = wh_schema_readable(held->db, err);
    }

    if (rc == WH_OK) {
        rc = wh_held_topics(held, conf, err);
    }

    if (rc == WH_OK) {
        rc = wh_held_tables(held, err);
    }

    return (rc == WH_OK) ? wh_held_exec(held->db, "COMMIT", err) : rc;
}


/* What came from another topic cannot be replayed from this one. */

static int
wh_held_topics(wh_held_t *held, const wh_conf_t *conf, wh_error_t *err)
{
    int            rc;
    size_t         len;
    const char    *from;
    sqlite3_stmt  *stmt;

    rc = wh_held_row(held->db, &stmt, "SELECT"
                     " (SELECT value FROM meta WHERE name = 'cluster_id'),"
                     " (SELECT value FROM meta"
                     "  WHERE name = 'notifications_topic'),"
                     " (SELECT value FROM meta WHERE name = 'commands_topic'),"
                     " (SELECT value FROM meta WHERE name = 'rebuilt_from'),"
                     " coalesce((SELECT next FROM positions"
                     "  WHERE topic = ?1 AND partition = 0), 0)",
                     conf->notifications_topic, err);
    if (rc != WH_OK) {
        return rc;
    }

    (void) snprintf(held->cluster, sizeof(held->cluster), "%s",
                    wh_held_text(stmt, 0));
    held->next = sqlite3_column_int64(stmt, 4);

    rc = wh_held_topic("notifications_topic", wh_held_text(stmt, 1),
                       conf->notifications_topic, err);

    if (rc == WH_OK) {
        rc = wh_held_topic("commands_topic", wh_held_text(stmt, 2),
                           conf->commands_topic, err);
    }

    from = wh_held_text(stmt, 3);
    len = strlen(conf->notifications_topic);

    if (rc == WH_OK && *from != '\0'
        && (strncmp(from, conf->notifications_topic, len) != 0
            || from[len] != ' '))
    {
        rc = wh_error_set(err, WH_ERROR, "the stock began with topics \"%s\", "
                          "and topic \"%s\" does not have what came before: "
                          "keep backups of this database", from,
                          conf->notifications_topic);
    }

    (void) sqlite3_finalize(stmt);

    return rc;
}


static int
wh_held_topic(const char *what, const char *known, const char *configured,
    wh_error_t *err)
{
    if (*known == '\0' || strcmp(known, configured) == 0) {
        return WH_OK;
    }

    return wh_error_set(err, WH_ERROR, "the database is from %s \"%s\", and "
                        "\"%s\" is configured", what, known, configured);
}


static int
wh_held_tables(wh_held_t *held, wh_error_t *err)
{
    int            keys, rc;
    sqlite3_stmt  *stmt;

    rc = wh_held_row(held->db, &stmt, WH_SQL_VERSION, NULL, err);
    if (rc != WH_OK) {
        return rc;
    }

    keys = sqlite3_column_int(stmt, 0);
    keys = (keys >= 4) ? 2 : (keys >= 2) ? 1 : 0;
    (void) sqlite3_finalize(stmt);

    rc = wh_held_exec(held->db, wh_held_sql, err);

    if (rc == WH_OK) {
        rc = wh_held_exec(held->db, wh_held_keys_sql[keys], err);
    }

    if (rc == WH_OK) {
        rc = wh_held_row(held->db, &stmt, "SELECT count(*) FROM held_items",
                         NULL, err);
    }

    if (rc == WH_OK) {
        held->items = sqlite3_column_int64(stmt, 0);
        (void) sqlite3_finalize(stmt);
    }

    return rc;
}


static int
wh_held_exec(sqlite3 *db, const char *sql, wh_error_t *err)
{
    return (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
           ? WH_OK : wh_schema_fail(db, "copying", err);
}


/*
 * Steps to the one row of a statement; ?1 is the topic.  After WH_OK the caller
 * finalizes it.
 */

static int
wh_held_row(sqlite3 *db, sqlite3_stmt **stmt, const char *sql,
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


const char *
wh_held_text(sqlite3_stmt *stmt, int column)
{
    const unsigned char  *text;

    text = sqlite3_column_text(stmt, column);

    return (text != NULL) ? (const char *) text : "";
}
