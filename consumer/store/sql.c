#include "store/internal.h"
#include "base/log.h"
#include "store/store.h"
#include "wh_command.h"
#include "wh_schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


static const char  *wh_sql[WH_SQL_LAST] = {
    [WH_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [WH_SQL_BEGIN_READ] = "BEGIN",
    [WH_SQL_COMMIT] = "COMMIT",
    [WH_SQL_ROLLBACK] = "ROLLBACK",
    [WH_SQL_GET_ITEM] = "SELECT qty, version FROM items WHERE sku = ?1",
    [WH_SQL_INSERT_ITEM] =
        "INSERT INTO items(sku, qty, version) VALUES(?1, ?2, ?3)"
        " ON CONFLICT DO NOTHING",
    [WH_SQL_UPDATE_ITEM] =
        "UPDATE items SET qty = ?2, version = ?3"
        " WHERE sku = ?1 AND version = ?4",
    [WH_SQL_GET_KEY] =
        "SELECT change, time, partition, offset, expected_version,"
        " expected_qty FROM keys"
        " WHERE sku = ?1 AND key = ?2",
    [WH_SQL_PUT_KEY] =
        "INSERT OR REPLACE INTO"
        " keys(sku, key, change, time, partition, offset, expected_version,"
        " expected_qty) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [WH_SQL_EXPIRE_KEYS] =
        "DELETE FROM keys WHERE id IN (SELECT id FROM keys"
        " WHERE partition = ?1 AND time < ?2 ORDER BY time LIMIT 2)",
    [WH_SQL_LIMIT_KEYS] =
        "DELETE FROM keys WHERE id IN (SELECT id FROM keys"
        " WHERE id <= (SELECT max(id) FROM keys) - ?1 ORDER BY id LIMIT 2)",
    [WH_SQL_GET_POSITION] =
        "SELECT next FROM positions WHERE topic = ?1 AND partition = ?2",
    [WH_SQL_INSERT_POSITION] =
        "INSERT INTO positions(topic, partition, next) VALUES(?1, ?2, ?3)"
        " ON CONFLICT DO NOTHING",
    [WH_SQL_UPDATE_POSITION] =
        "UPDATE positions SET next = ?3"
        " WHERE topic = ?1 AND partition = ?2 AND next = ?4",
    [WH_SQL_KNOWS_TOPIC] =
        "SELECT 1 FROM positions WHERE topic = ?1 AND next > 0 LIMIT 1",
    [WH_SQL_GET_META] = "SELECT value FROM meta WHERE name = ?1",
    [WH_SQL_SET_META] =
        "INSERT INTO meta(name, value) VALUES(?1, ?2)"
        " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [WH_SQL_COUNT] =
        "INSERT INTO stats(name, value) VALUES(?1, ?2)"
        " ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
    [WH_SQL_LAST_OUTCOME] = "SELECT max(id) FROM outcomes",
    [WH_SQL_PUT_OUTCOME] =
        "INSERT INTO outcomes(id, topic, partition, first, last, since, until,"
        " data) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [WH_SQL_EXTEND_OUTCOME] =
        "UPDATE outcomes SET until = ?2"
        " WHERE id = (SELECT max(id) FROM outcomes) AND until = ?1",
    [WH_SQL_OUTCOMES] = WH_SQL_KEPT,
    [WH_SQL_LIMIT_OUTCOMES] = "DELETE FROM outcomes WHERE id <= ?1",
};


static const char  *wh_stat_names[WH_STAT_LAST] = {
    "applied", "refused", "duplicates", "malformed", "conflicts"
};


static int wh_store_item_ok(sqlite3_stmt *stmt, const char *sku, size_t len,
    wh_item_t *item, wh_error_t *err);


int
wh_store_prepare(wh_store_t *s, wh_error_t *err)
{
    int  i;

    for (i = 0; i < WH_SQL_LAST; i++) {
        if (sqlite3_prepare_v3(s->db, wh_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &s->stmt[i], NULL)
            != SQLITE_OK)
        {
            return wh_schema_fail(s->db, "preparing the statements", err);
        }
    }

    return WH_OK;
}


void
wh_store_finalize(wh_store_t *s)
{
    int  i;

    for (i = 0; i < WH_SQL_LAST; i++) {
        (void) sqlite3_finalize(s->stmt[i]);
    }
}


int
wh_store_write(wh_store_t *s, wh_sql_t sql, const char *what, wh_error_t *err)
{
    int  rc;

    rc = WH_OK;

    if (sqlite3_step(s->stmt[sql]) != SQLITE_DONE) {
        rc = wh_schema_fail(s->db, what, err);
    }

    (void) sqlite3_reset(s->stmt[sql]);

    return rc;
}


int
wh_store_begin(wh_store_t *s, wh_error_t *err)
{
    return wh_store_write(s, WH_SQL_BEGIN, "locking the database", err);
}


int
wh_store_begin_read(wh_store_t *s, wh_error_t *err)
{
    return wh_store_write(s, WH_SQL_BEGIN_READ, "reading the database", err);
}


int
wh_store_commit(wh_store_t *s, wh_error_t *err)
{
    return wh_store_write(s, WH_SQL_COMMIT, "committing to the database", err);
}


void
wh_store_rollback(wh_store_t *s)
{
    wh_error_t  err;

    if (sqlite3_get_autocommit(s->db)) {
        return;
    }

    if (wh_store_write(s, WH_SQL_ROLLBACK, "rolling back", &err) != WH_OK) {
        wh_log(WH_LOG_ERROR, "%s", err.text);
    }
}


int
wh_store_end(wh_store_t *s, int rc, wh_error_t *err)
{
    if (rc == WH_OK) {
        rc = wh_store_commit(s, err);
    }

    if (rc != WH_OK) {
        wh_store_rollback(s);
    }

    return rc;
}


void
wh_store_bind_text(wh_store_t *s, wh_sql_t sql, int column, const char *text,
    size_t len)
{
    (void) sqlite3_bind_text(s->stmt[sql], column, text, (int) len,
                             SQLITE_STATIC);
}


int
wh_store_get_item(wh_store_t *s, const char *sku, size_t len, wh_item_t *item,
    wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    stmt = s->stmt[WH_SQL_GET_ITEM];
    item->qty = 0;
    item->version = 0;

    wh_store_bind_text(s, WH_SQL_GET_ITEM, 1, sku, len);

    rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        rc = wh_store_item_ok(stmt, sku, len, item, err);

    } else if (rc == SQLITE_DONE) {
        rc = WH_OK;

    } else {
        rc = wh_schema_fail(s->db, "reading an item", err);
    }

    (void) sqlite3_reset(stmt);

    return rc;
}


/*
 * What another writer put there may be anything; a notification of it would be
 * none that a recovery can read.
 */

static int
wh_store_item_ok(sqlite3_stmt *stmt, const char *sku, size_t len,
    wh_item_t *item, wh_error_t *err)
{
    item->qty = sqlite3_column_int64(stmt, 0);
    item->version = sqlite3_column_int64(stmt, 1);

    if (sqlite3_column_type(stmt, 0) == SQLITE_INTEGER
        && sqlite3_column_type(stmt, 1) == SQLITE_INTEGER
        && item->qty >= 0 && item->qty <= WH_QTY_MAX
        && item->version >= 1 && item->version < WH_QTY_MAX)
    {
        return WH_OK;
    }

    return wh_error_set(err, WH_ERROR, "item \"%.*s\" has stock %" PRId64
                        " and version %" PRId64 " in the database, not "
                        "integers in 0..%" PRId64 " and 1..%" PRId64 ": "
                        "another writer put them there; correct qty, increase "
                        "version, and start again", (int) len, sku, item->qty,
                        item->version, WH_QTY_MAX, WH_QTY_MAX - 1);
}


int
wh_store_put_item(wh_store_t *s, const char *sku, size_t len,
    int64_t read_version, const wh_item_t *item, wh_error_t *err)
{
    int       rc;
    wh_sql_t  sql;

    sql = (read_version == 0) ? WH_SQL_INSERT_ITEM : WH_SQL_UPDATE_ITEM;

    wh_store_bind_text(s, sql, 1, sku, len);
    (void) sqlite3_bind_int64(s->stmt[sql], 2, item->qty);
    (void) sqlite3_bind_int64(s->stmt[sql], 3, item->version);

    if (sql == WH_SQL_UPDATE_ITEM) {
        (void) sqlite3_bind_int64(s->stmt[sql], 4, read_version);
    }

    rc = wh_store_write(s, sql, "writing an item", err);

    if (rc == WH_OK && sqlite3_changes(s->db) == 0) {
        rc = wh_error_set(err, WH_CONFLICT, "another process wrote item "
                          "\"%.*s\"", (int) len, sku);
    }

    return rc;
}


int
wh_store_get_position(wh_store_t *s, const char *topic, int32_t partition,
    int64_t *next, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    stmt = s->stmt[WH_SQL_GET_POSITION];
    *next = -1;

    wh_store_bind_text(s, WH_SQL_GET_POSITION, 1, topic, strlen(topic));
    (void) sqlite3_bind_int(stmt, 2, partition);

    rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        *next = sqlite3_column_int64(stmt, 0);
    }

    rc = (rc == SQLITE_ROW || rc == SQLITE_DONE)
         ? WH_OK : wh_schema_fail(s->db, "reading a position", err);

    (void) sqlite3_reset(stmt);

    return rc;
}


int
wh_store_move_position(wh_store_t *s, const char *topic, int32_t partition,
    int64_t expected, int64_t next, wh_error_t *err)
{
    int       rc;
    wh_sql_t  sql;

    sql = (expected == -1) ? WH_SQL_INSERT_POSITION : WH_SQL_UPDATE_POSITION;

    wh_store_bind_text(s, sql, 1, topic, strlen(topic));
    (void) sqlite3_bind_int(s->stmt[sql], 2, partition);
    (void) sqlite3_bind_int64(s->stmt[sql], 3, next);

    if (sql == WH_SQL_UPDATE_POSITION) {
        (void) sqlite3_bind_int64(s->stmt[sql], 4, expected);
    }

    rc = wh_store_write(s, sql, "writing a position", err);

    if (rc == WH_OK && sqlite3_changes(s->db) == 0) {
        rc = wh_error_set(err, WH_CONFLICT, "another process moved the "
                          "position of %s:%d", topic, (int) partition);
    }

    return rc;
}


int
wh_store_knows_topic(wh_store_t *s, const char *topic, int *known,
    wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    stmt = s->stmt[WH_SQL_KNOWS_TOPIC];

    wh_store_bind_text(s, WH_SQL_KNOWS_TOPIC, 1, topic, strlen(topic));

    rc = sqlite3_step(stmt);
    *known = (rc == SQLITE_ROW);

    rc = (rc == SQLITE_ROW || rc == SQLITE_DONE)
         ? WH_OK : wh_schema_fail(s->db, "reading the positions", err);

    (void) sqlite3_reset(stmt);

    return rc;
}


int
wh_store_get_meta(wh_store_t *s, const char *name, char *value, size_t size,
    wh_error_t *err)
{
    int            rc;
    const char    *text;
    sqlite3_stmt  *stmt;

    stmt = s->stmt[WH_SQL_GET_META];
    *value = '\0';

    wh_store_bind_text(s, WH_SQL_GET_META, 1, name, strlen(name));

    rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        /* NULL in a file that somebody else made */
        text = (const char *) sqlite3_column_text(stmt, 0);
        (void) snprintf(value, size, "%s", text ? text : "");
    }

    rc = (rc == SQLITE_ROW || rc == SQLITE_DONE)
         ? WH_OK : wh_schema_fail(s->db, "reading meta", err);

    (void) sqlite3_reset(stmt);

    return rc;
}


int
wh_store_set_meta(wh_store_t *s, const char *name, const char *value,
    wh_error_t *err)
{
    wh_store_bind_text(s, WH_SQL_SET_META, 1, name, strlen(name));
    wh_store_bind_text(s, WH_SQL_SET_META, 2, value, strlen(value));

    return wh_store_write(s, WH_SQL_SET_META, "writing meta", err);
}


int
wh_store_count(wh_store_t *s, const int64_t counts[WH_STAT_LAST],
    wh_error_t *err)
{
    int  i, rc;

    for (i = 0; i < WH_STAT_LAST; i++) {

        if (counts[i] == 0) {
            continue;
        }

        wh_store_bind_text(s, WH_SQL_COUNT, 1, wh_stat_names[i],
                           strlen(wh_stat_names[i]));
        (void) sqlite3_bind_int64(s->stmt[WH_SQL_COUNT], 2, counts[i]);

        rc = wh_store_write(s, WH_SQL_COUNT, "writing the counters", err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}
