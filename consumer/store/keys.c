#include "store/store.h"
#include "store/internal.h"
#include "wh_schema.h"

#include <string.h>


/* ms: Kafka's own limit for a record's time (message.timestamp.after.max.ms) */
#define WH_STORE_LATE  3600000


int
wh_store_get_key(wh_store_t *s, const char *sku, size_t len, const char *key,
    wh_use_t *use, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    stmt = s->stmt[WH_SQL_GET_KEY];
    memset(use, 0, sizeof(wh_use_t));

    wh_store_bind_text(s, WH_SQL_GET_KEY, 1, sku, len);
    wh_store_bind_text(s, WH_SQL_GET_KEY, 2, key, strlen(key));

    rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        use->change = sqlite3_column_int64(stmt, 0);
        use->time = sqlite3_column_int64(stmt, 1);
        use->partition = sqlite3_column_int(stmt, 2);
        use->offset = sqlite3_column_int64(stmt, 3);
        use->expected_version = sqlite3_column_int64(stmt, 4);
        use->expected_qty = sqlite3_column_int64(stmt, 5);
    }

    rc = (rc == SQLITE_ROW || rc == SQLITE_DONE)
         ? WH_OK : wh_schema_fail(s->db, "reading an idempotency key", err);

    (void) sqlite3_reset(stmt);

    return rc;
}


/*
 * Records of one partition come nearly in the order of their time; a key
 * stays for an hour longer than it can matter, so that one that comes late
 * still finds it.
 */

int
wh_store_put_key(wh_store_t *s, const char *sku, size_t len, const char *key,
    const wh_use_t *use, int64_t retention, int64_t max, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    stmt = s->stmt[WH_SQL_PUT_KEY];

    wh_store_bind_text(s, WH_SQL_PUT_KEY, 1, sku, len);
    wh_store_bind_text(s, WH_SQL_PUT_KEY, 2, key, strlen(key));
    (void) sqlite3_bind_int64(stmt, 3, use->change);
    (void) sqlite3_bind_int64(stmt, 4, use->time);
    (void) sqlite3_bind_int(stmt, 5, use->partition);
    (void) sqlite3_bind_int64(stmt, 6, use->offset);
    (void) sqlite3_bind_int64(stmt, 7, use->expected_version);
    (void) sqlite3_bind_int64(stmt, 8, use->expected_qty);

    rc = wh_store_write(s, WH_SQL_PUT_KEY, "writing an idempotency key", err);
    if (rc != WH_OK) {
        return rc;
    }

    stmt = s->stmt[WH_SQL_EXPIRE_KEYS];
    (void) sqlite3_bind_int(stmt, 1, use->partition);
    (void) sqlite3_bind_int64(stmt, 2, use->time - retention - WH_STORE_LATE);

    rc = wh_store_write(s, WH_SQL_EXPIRE_KEYS, "forgetting keys", err);
    if (rc != WH_OK) {
        return rc;
    }

    (void) sqlite3_bind_int64(s->stmt[WH_SQL_LIMIT_KEYS], 1, max);

    return wh_store_write(s, WH_SQL_LIMIT_KEYS, "forgetting keys", err);
}


/* Ids are given in turn, and the oldest go first: counting would read all. */

int
wh_store_keys(wh_store_t *s, int64_t *keys, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    *keys = 0;

    if (sqlite3_prepare_v2(s->db, "SELECT (SELECT max(id) FROM keys)"
                                  " - (SELECT min(id) FROM keys) + 1", -1,
                           &stmt, NULL)
        != SQLITE_OK)
    {
        return wh_schema_fail(s->db, "counting idempotency keys", err);
    }

    rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        *keys = sqlite3_column_int64(stmt, 0);
    }

    rc = (rc == SQLITE_ROW) ? WH_OK
         : wh_schema_fail(s->db, "counting idempotency keys", err);

    (void) sqlite3_finalize(stmt);

    return rc;
}
