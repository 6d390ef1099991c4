#include "store/store.h"
#include "store/internal.h"
#include "wh_schema.h"


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
