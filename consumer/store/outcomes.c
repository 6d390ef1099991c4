#include "store/store.h"
#include "store/internal.h"
#include "wh_schema.h"

#include <string.h>


static int wh_store_outcome_number(wh_store_t *store, wh_sql_t sql,
    int64_t *n, wh_error_t *err);


int
wh_store_put_outcomes(wh_store_t *s, const wh_outcomes_t *o, wh_error_t *err)
{
    int            rc;
    int64_t        id;
    sqlite3_stmt  *stmt;

    rc = wh_store_outcome_number(s, WH_SQL_LAST_OUTCOME, &id, err);
    if (rc != WH_OK) {
        return rc;
    }

    stmt = s->stmt[WH_SQL_PUT_OUTCOME];

    (void) sqlite3_bind_int64(stmt, 1, id + o->count);
    wh_store_bind_text(s, WH_SQL_PUT_OUTCOME, 2, o->topic, strlen(o->topic));
    (void) sqlite3_bind_int(stmt, 3, o->partition);
    (void) sqlite3_bind_int64(stmt, 4, o->first);
    (void) sqlite3_bind_int64(stmt, 5, o->last);
    (void) sqlite3_bind_int64(stmt, 6, o->since);
    (void) sqlite3_bind_int64(stmt, 7, o->until);
    (void) sqlite3_bind_blob(stmt, 8, o->data, (int) o->len, SQLITE_STATIC);

    return wh_store_write(s, WH_SQL_PUT_OUTCOME, "writing outcomes", err);
}


int
wh_store_extend_outcomes(wh_store_t *s, int64_t from, int64_t to,
    wh_error_t *err)
{
    int  rc;

    (void) sqlite3_bind_int64(s->stmt[WH_SQL_EXTEND_OUTCOME], 1, from);
    (void) sqlite3_bind_int64(s->stmt[WH_SQL_EXTEND_OUTCOME], 2, to);

    rc = wh_store_write(s, WH_SQL_EXTEND_OUTCOME, "writing outcomes", err);

    return (rc == WH_OK && sqlite3_changes(s->db) == 0) ? WH_NONE : rc;
}


int
wh_store_limit_outcomes(wh_store_t *s, int64_t most, wh_error_t *err)
{
    int      rc;
    int64_t  last;

    rc = wh_store_outcome_number(s, WH_SQL_LAST_OUTCOME, &last, err);
    if (rc != WH_OK) {
        return rc;
    }

    (void) sqlite3_bind_int64(s->stmt[WH_SQL_LIMIT_OUTCOMES], 1, last - most);

    return wh_store_write(s, WH_SQL_LIMIT_OUTCOMES, "forgetting outcomes",
                          err);
}


int
wh_store_outcomes(wh_store_t *s, int64_t *outcomes, wh_error_t *err)
{
    return wh_store_outcome_number(s, WH_SQL_OUTCOMES, outcomes, err);
}


/* The one number that a statement selects; NULL is 0. */

static int
wh_store_outcome_number(wh_store_t *s, wh_sql_t sql, int64_t *n,
    wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    stmt = s->stmt[sql];
    rc = sqlite3_step(stmt);

    *n = (rc == SQLITE_ROW) ? sqlite3_column_int64(stmt, 0) : 0;

    rc = (rc == SQLITE_ROW) ? WH_OK
         : wh_schema_fail(s->db, "reading outcomes", err);

    (void) sqlite3_reset(stmt);

    return rc;
}
