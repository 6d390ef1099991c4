#include "verify/compare.h"
#include "store/look.h"
#include "wh_schema.h"
#include "wh_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>


/* bytes for a text of a database, every byte of it escaped */
#define WH_COMPARE_QUOTED  4096


/* the replay when it stood for what the database does */

static const char  wh_compare_then_sql[] =
    "CREATE TEMP TABLE then_items("
    " sku TEXT PRIMARY KEY, qty INTEGER, version INTEGER) WITHOUT ROWID;"
    "INSERT INTO then_items"
    " SELECT sku, qty, version FROM replay.items ORDER BY sku;"
    "CREATE TEMP TABLE then_keys AS SELECT * FROM replay.keys;"
    "CREATE INDEX temp.then_keys_sku ON then_keys(sku, key);"
    "CREATE INDEX temp.held_keys_sku ON held_keys(sku, key);"
    "CREATE TEMP TABLE held_newest AS"
    " SELECT partition, max(time) AS time FROM held_keys GROUP BY partition;"
    "CREATE TEMP TABLE then_newest AS"
    " SELECT partition, max(time) AS time FROM then_keys GROUP BY partition;"

    /* the ids of the oldest one that is held, here and there; the newest ones */

    "CREATE TEMP TABLE ends AS SELECT"
    " (SELECT min(id) FROM held_keys) AS oldest,"
    " (SELECT r.id FROM held_keys h JOIN then_keys r USING(sku, key)"
    "  ORDER BY h.id LIMIT 1) AS oldest_then,"
    " (SELECT max(id) FROM held_keys) AS newest,"
    " (SELECT max(id) FROM then_keys) AS newest_then;"
    "CREATE TEMP TABLE then_positions AS SELECT * FROM replay.positions;"
    "DETACH replay;";


/* Each row of sql is a difference. */

typedef struct {
    const char  *sql;
    void       (*say)(sqlite3_stmt *stmt);
} wh_compare_t;


static int wh_compare_attach(wh_held_t *held, const char *file,
    wh_error_t *err);
static int wh_compare_check(wh_held_t *held, const wh_conf_t *conf,
    const wh_compare_t *check, int64_t *differences, wh_error_t *err);
static void wh_compare_bind(sqlite3_stmt *stmt, const wh_conf_t *conf);
static void wh_compare_say_item(sqlite3_stmt *stmt);
static void wh_compare_say_state(sqlite3_stmt *stmt, int column);
static void wh_compare_say_key(sqlite3_stmt *stmt);
static void wh_compare_say_use(sqlite3_stmt *stmt, int column);
static void wh_compare_say_position(sqlite3_stmt *stmt);
static void wh_compare_say_text(sqlite3_stmt *stmt, int column);


static const wh_compare_t  wh_compare_checks[] = {

    /*
     * What was compacted since is missing or older in the replay of then, and
     * newer in the whole one; what is ahead of the position is there as it is.
     */

    { "SELECT h.sku, h.qty, h.version, r.qty, r.version"
      " FROM held_items h LEFT JOIN then_items r USING(sku)"
      " LEFT JOIN replay.items a USING(sku)"
      " WHERE (r.sku IS NULL OR r.qty != h.qty OR r.version != h.version)"
      " AND NOT (h.version > coalesce(r.version, 0)"
      "  AND (coalesce(a.version, 0) > h.version"
      "   OR (coalesce(a.version, 0) = h.version AND a.qty = h.qty)))"
      " UNION ALL"
      " SELECT r.sku, NULL, NULL, r.qty, r.version"
      " FROM then_items r LEFT JOIN held_items h USING(sku)"
      " WHERE h.sku IS NULL ORDER BY 1", wh_compare_say_item },

    /*
     * The notification of a key that is old enough by now may be compacted.  The
     * daemon forgets keys by the newest one of their partition and by how many
     * came since (EXPIRE_KEYS, LIMIT_KEYS: two at a time), of which the replay
     * may have fewer: where the database has as many as are kept, those before
     * its oldest one are forgotten.
     */

    { "SELECT h.sku, h.key, h.change, h.partition, h.offset,"
      " r.change, r.partition, r.offset"
      " FROM held_keys h LEFT JOIN then_keys r USING(sku, key)"
      " LEFT JOIN replay.keys a USING(sku, key)"
      " WHERE (r.sku IS NULL OR (r.change, r.time, r.partition, r.offset,"
      "  r.expected_version, r.expected_qty) != (h.change, h.time,"
      "  h.partition, h.offset, h.expected_version, h.expected_qty))"
      " AND (a.sku IS NULL OR (a.change, a.time, a.partition, a.offset,"
      "  a.expected_version, a.expected_qty) != (h.change, h.time,"
      "  h.partition, h.offset, h.expected_version, h.expected_qty))"
      " AND NOT (r.sku IS NULL AND h.time < -:retention + max(:now,"
      "  (SELECT time FROM held_newest n WHERE n.partition = h.partition)))"
      " UNION ALL"
      " SELECT r.sku, r.key, NULL, NULL, NULL, r.change, r.partition, r.offset"
      " FROM then_keys r LEFT JOIN held_keys h USING(sku, key), ends"
      " WHERE h.sku IS NULL AND r.time >= -:retention +"
      "  (SELECT time FROM then_newest n WHERE n.partition = r.partition)"
      " AND r.id > newest_then - :keys"
      " AND NOT (coalesce(newest - oldest + 1, 0) >= :keys - 2"
      "  AND r.id < coalesce(oldest_then, newest_then + 1))"
      " ORDER BY 1, 2", wh_compare_say_key },

    { "SELECT r.topic, r.partition, coalesce(h.next, 0), r.next"
      " FROM then_positions r LEFT JOIN held_positions h"
      " USING(topic, partition)"
      " WHERE r.topic = :commands AND coalesce(h.next, 0) < r.next"
      " ORDER BY 2", wh_compare_say_position },
};


int
wh_compare_then(wh_held_t *held, const char *file, wh_error_t *err)
{
    int  rc;

    rc = wh_compare_attach(held, file, err);

    if (rc == WH_OK
        && sqlite3_exec(held->db, wh_compare_then_sql, NULL, NULL, NULL)
           != SQLITE_OK)
    {
        return wh_schema_fail(held->db, "copying the replay", err);
    }

    return rc;
}


/* As it is: nobody writes to it. */

static int
wh_compare_attach(wh_held_t *held, const char *file, wh_error_t *err)
{
    int            rc;
    char           uri[WH_LOOK_URI_MAX];
    sqlite3_stmt  *stmt;

    /* some of it may be in its log still: where the disk was full */

    wh_look_uri(uri, sizeof(uri), file, wh_look_beside(file, "-wal")
                                        ? "readonly_shm=1" : "immutable=1");

    rc = sqlite3_prepare_v2(held->db, "ATTACH ?1 AS replay", -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_text(stmt, 1, uri, -1, SQLITE_STATIC);
    }

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }

    rc = (rc == SQLITE_DONE) ? WH_OK
                             : wh_schema_fail(held->db, "opening the replay",
                                              err);
    (void) sqlite3_finalize(stmt);

    return rc;
}


int
wh_compare(wh_held_t *held, const wh_conf_t *conf, const char *file,
    int64_t *differences, wh_error_t *err)
{
    int     rc;
    size_t  i;

    *differences = 0;

    rc = wh_compare_attach(held, file, err);

    for (i = 0; rc == WH_OK
                && i < sizeof(wh_compare_checks) / sizeof(wh_compare_checks[0]);
         i++)
    {
        rc = wh_compare_check(held, conf, &wh_compare_checks[i], differences,
                              err);
    }

    if (rc == WH_OK && (fflush(stdout) != 0 || ferror(stdout))) {
        return wh_error_set(err, WH_ERROR, "writing the differences: %s",
                            strerror(errno));
    }

    return rc;
}


static int
wh_compare_check(wh_held_t *held, const wh_conf_t *conf,
    const wh_compare_t *check, int64_t *differences, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    rc = sqlite3_prepare_v2(held->db, check->sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        wh_compare_bind(stmt, conf);

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


/* A statement that does not have a parameter does not mind. */

static void
wh_compare_bind(sqlite3_stmt *stmt, const wh_conf_t *conf)
{
    (void) sqlite3_bind_text(stmt,
                             sqlite3_bind_parameter_index(stmt, ":commands"),
                             conf->commands_topic, -1, SQLITE_STATIC);
    (void) sqlite3_bind_int64(stmt,
                              sqlite3_bind_parameter_index(stmt, ":retention"),
                              conf->idempotency_retention * 1000);
    (void) sqlite3_bind_int64(stmt,
                              sqlite3_bind_parameter_index(stmt, ":now"),
                              (int64_t) time(NULL) * 1000);
    (void) sqlite3_bind_int64(stmt,
                              sqlite3_bind_parameter_index(stmt, ":keys"),
                              conf->idempotency_keys);
}


static void
wh_compare_say_item(sqlite3_stmt *stmt)
{
    printf("item ");
    wh_compare_say_text(stmt, 0);
    printf(": in the database ");
    wh_compare_say_state(stmt, 1);
    printf(", by notifications ");
    wh_compare_say_state(stmt, 3);
    printf("\n");
}


static void
wh_compare_say_state(sqlite3_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        printf("it is not there");
        return;
    }

    printf("stock %s, version %s", wh_held_text(stmt, column),
           wh_held_text(stmt, column + 1));
}


static void
wh_compare_say_key(sqlite3_stmt *stmt)
{
    printf("item ");
    wh_compare_say_text(stmt, 0);
    printf(", key ");
    wh_compare_say_text(stmt, 1);
    printf(": in the database ");
    wh_compare_say_use(stmt, 2);
    printf(", by notifications ");
    wh_compare_say_use(stmt, 5);
    printf("\n");
}


static void
wh_compare_say_use(sqlite3_stmt *stmt, int column)
{
    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        printf("it was not used");
        return;
    }

    printf("used by command %s:%s for %s", wh_held_text(stmt, column + 1),
           wh_held_text(stmt, column + 2), wh_held_text(stmt, column));
}


static void
wh_compare_say_position(sqlite3_stmt *stmt)
{
    printf("commands of \"%s\", partition %s: processed before %s by the "
           "database, before %s by notifications\n", wh_held_text(stmt, 0),
           wh_held_text(stmt, 1), wh_held_text(stmt, 2),
           wh_held_text(stmt, 3));
}


/* Quoted as JSON: it may hold anything. */

static void
wh_compare_say_text(sqlite3_stmt *stmt, int column)
{
    char        buf[WH_COMPARE_QUOTED];
    wh_text_t   text;

    wh_text_init(&text, buf, sizeof(buf));
    wh_text_string(&text, wh_held_text(stmt, column),
                   (size_t) sqlite3_column_bytes(stmt, column));

    printf("%.*s", (int) wh_text_len(&text), buf);
}
