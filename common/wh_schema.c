#include "wh_schema.h"

#include <errno.h>
#include <string.h>


/*
 * The commands that used an idempotency key, in the order of their
 * processing.  change: the quantity, negative for a decrease; time: of the
 * command's record, in ms since 1970.
 */

#define WH_SCHEMA_KEYS                                                        \
    "CREATE TABLE keys("                                                      \
    " id INTEGER PRIMARY KEY,"                                                \
    " sku TEXT NOT NULL,"                                                     \
    " key TEXT NOT NULL,"                                                     \
    " change INTEGER NOT NULL,"                                               \
    " time INTEGER NOT NULL,"                                                 \
    " partition INTEGER NOT NULL,"                                            \
    " offset INTEGER NOT NULL,"                                               \
    " UNIQUE(sku, key));"                                                     \
    "CREATE INDEX keys_time ON keys(partition, time);"


/* the conditions of those commands; -1: none */

#define WH_SCHEMA_CONDITIONS                                                  \
    "ALTER TABLE keys ADD COLUMN"                                             \
    " expected_version INTEGER NOT NULL DEFAULT -1;"                          \
    "ALTER TABLE keys ADD COLUMN"                                             \
    " expected_qty INTEGER NOT NULL DEFAULT -1;"


/*
 * What became of commands, in the order of their processing: a row for those of
 * a partition that lie together, see wh_kept.h.  id: of the last of them, counted
 * on; first, last: their offsets in topic; since, until: what the notifications
 * in the row bring the position in the notifications topic from and to.  A row
 * of no topic has none: in between, the topic shows nothing to anybody.
 */

#define WH_SCHEMA_RESULTS                                                    \
    "CREATE TABLE outcomes("                                                  \
    " id INTEGER PRIMARY KEY,"                                                \
    " topic TEXT NOT NULL,"                                                   \
    " partition INTEGER NOT NULL,"                                            \
    " first INTEGER NOT NULL,"                                                \
    " last INTEGER NOT NULL,"                                                 \
    " since INTEGER NOT NULL,"                                                \
    " until INTEGER NOT NULL,"                                                \
    " data BLOB NOT NULL);"                                                   \
    "CREATE INDEX outcomes_first ON outcomes(topic, partition, first);"       \
    "CREATE INDEX outcomes_until ON outcomes(until);"


/* items, and meta's state, are as in the first version */

#define WH_SCHEMA_MIN_READER                                                  \
    "INSERT OR REPLACE INTO meta VALUES('min_reader', '1');"


static const char  *wh_schema_sql =
    "CREATE TABLE items("
    " sku TEXT PRIMARY KEY,"
    " qty INTEGER NOT NULL CHECK(qty >= 0),"
    " version INTEGER NOT NULL CHECK(version >= 1)) WITHOUT ROWID;"

    /* next: the first offset not processed yet */
    "CREATE TABLE positions("
    " topic TEXT, partition INTEGER, next INTEGER NOT NULL,"
    " PRIMARY KEY(topic, partition)) WITHOUT ROWID;"

    /*
     * cluster_id, rebuilt_from (topics), notifications_topic (whose position
     * readers show), commands_topic (likewise), state: 'ready' or 'recovering';
     * min_reader: who knows this schema version can read the file
     */
    "CREATE TABLE meta("
    " name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"

    /* counters of the daemon since the database was made */
    "CREATE TABLE stats("
    " name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"

    WH_SCHEMA_KEYS
    WH_SCHEMA_CONDITIONS
    WH_SCHEMA_RESULTS

    "INSERT INTO meta VALUES('state', 'recovering');"
    WH_SCHEMA_MIN_READER
    "PRAGMA user_version = 4;";


/* What makes version i + 1 of version i. */

static const char  *wh_schema_steps[WH_SCHEMA_VERSION] = {
    [1] = WH_SCHEMA_KEYS "PRAGMA user_version = 2;",
    [2] = WH_SCHEMA_MIN_READER "PRAGMA user_version = 3;",
    [3] = WH_SCHEMA_CONDITIONS WH_SCHEMA_RESULTS "PRAGMA user_version = 4;",
};


static int wh_schema_known(sqlite3 *db, int *version, wh_error_t *err);
static int wh_schema_min_reader(sqlite3 *db, int *reader, wh_error_t *err);
static int wh_schema_version(sqlite3 *db, int *version, int *objects,
    wh_error_t *err);
static int wh_schema_denied(sqlite3 *db);
static int wh_schema_quota(sqlite3 *db);


int
wh_schema_create(sqlite3 *db, wh_error_t *err)
{
    if (sqlite3_exec(db, wh_schema_sql, NULL, NULL, NULL) != SQLITE_OK) {
        return wh_schema_fail(db, "creating the tables", err);
    }

    return WH_OK;
}


int
wh_schema_check(sqlite3 *db, wh_error_t *err)
{
    int  rc, version;

    rc = wh_schema_known(db, &version, err);

    if (rc == WH_OK && version > WH_SCHEMA_VERSION) {
        rc = wh_error_set(err, WH_ERROR, "the database has schema version %d, "
                          "this program writes version %d: a newer one has "
                          "made it", version, WH_SCHEMA_VERSION);
    }

    return rc;
}


int
wh_schema_readable(sqlite3 *db, wh_error_t *err)
{
    int  rc, version, reader;

    rc = wh_schema_known(db, &version, err);

    if (rc != WH_OK || version <= WH_SCHEMA_VERSION) {
        return rc;
    }

    rc = wh_schema_min_reader(db, &reader, err);

    if (rc == WH_OK && (reader < 1 || reader > WH_SCHEMA_VERSION)) {
        rc = wh_error_set(err, WH_ERROR, "the database has schema version %d, "
                          "this program reads up to version %d", version,
                          WH_SCHEMA_VERSION);
    }

    return rc;
}


/* The version of a database that says that it is one of ours. */

static int
wh_schema_known(sqlite3 *db, int *version, wh_error_t *err)
{
    int  rc, objects;

    rc = wh_schema_version(db, version, &objects, err);

    if (rc != WH_OK || *version >= 1) {
        return rc;
    }

    if (*version == 0 && objects == 0) {
        return wh_error_set(err, WH_NONE, "the database is empty");
    }

    return wh_error_set(err, WH_ERROR, "the database has schema version %d: it "
                        "is none of warehouse-consumer's", *version);
}


/* What a newer file says of its readers; 0: nothing that is a number. */

static int
wh_schema_min_reader(sqlite3 *db, int *reader, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    *reader = 0;

    if (sqlite3_prepare_v2(db, "SELECT min(value + 0, 1000000) FROM meta"
                               " WHERE name = 'min_reader'"
                               " AND value NOT GLOB '*[^0-9]*'", -1, &stmt,
                           NULL)
        != SQLITE_OK)
    {
        return wh_schema_fail(db, "reading meta's min_reader", err);
    }

    rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        *reader = sqlite3_column_int(stmt, 0);
        rc = WH_OK;

    } else {
        rc = (rc == SQLITE_DONE) ? WH_OK
             : wh_schema_fail(db, "reading meta's min_reader", err);
    }

    (void) sqlite3_finalize(stmt);

    return rc;
}


int
wh_schema_upgrade(sqlite3 *db, wh_error_t *err)
{
    int  rc, version, objects, ok;

    rc = wh_schema_version(db, &version, &objects, err);
    if (rc != WH_OK || version == WH_SCHEMA_VERSION) {
        return rc;
    }

    ok = (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);

    for ( /* void */ ; ok && version < WH_SCHEMA_VERSION; version++) {
        ok = (sqlite3_exec(db, wh_schema_steps[version], NULL, NULL, NULL)
              == SQLITE_OK);
    }

    if (!ok || sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        rc = wh_schema_fail(db, "upgrading the database", err);
        (void) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }

    return rc;
}


/* The schema's version and the number of things in it. */

static int
wh_schema_version(sqlite3 *db, int *version, int *objects, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    *version = 0;
    *objects = 0;

    if (sqlite3_prepare_v2(db,
                           "SELECT (SELECT user_version FROM"
                           " pragma_user_version),"
                           " (SELECT count(*) FROM sqlite_schema)",
                           -1, &stmt, NULL)
        != SQLITE_OK)
    {
        return wh_schema_fail(db, "reading the schema version", err);
    }

    if (sqlite3_step(stmt) != SQLITE_ROW) {
        rc = wh_schema_fail(db, "reading the schema version", err);
        (void) sqlite3_finalize(stmt);
        return rc;
    }

    *version = sqlite3_column_int(stmt, 0);
    *objects = sqlite3_column_int(stmt, 1);
    (void) sqlite3_finalize(stmt);

    return WH_OK;
}


int
wh_schema_ready(sqlite3 *db, wh_error_t *err)
{
    int            rc;
    sqlite3_stmt  *stmt;

    rc = wh_schema_readable(db, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (sqlite3_prepare_v2(db, WH_SQL_STATE, -1, &stmt, NULL) != SQLITE_OK) {
        return wh_schema_fail(db, "reading the database's state", err);
    }

    rc = wh_schema_state(db, stmt, err);

    (void) sqlite3_finalize(stmt);

    return rc;
}


int
wh_schema_state(sqlite3 *db, sqlite3_stmt *stmt, wh_error_t *err)
{
    int          rc;
    const char  *state;

    rc = sqlite3_step(stmt);

    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        return wh_schema_fail(db, "reading the database's state", err);
    }

    if (rc == SQLITE_DONE) {
        return wh_error_set(err, WH_RECOVERING, "the stock is being recovered");
    }

    /* a file that somebody else made may hold anything */

    state = (sqlite3_column_type(stmt, 0) == SQLITE_TEXT)
            ? (const char *) sqlite3_column_text(stmt, 0) : NULL;

    if (state == NULL) {
        return wh_error_set(err, WH_ERROR, "the database's state is no text: "
                            "it is none of warehouse-consumer's");
    }

    if (strcmp(state, "ready") != 0) {
        return wh_error_set(err, WH_RECOVERING, "the stock is being recovered");
    }

    return WH_OK;
}


int
wh_schema_fail(sqlite3 *db, const char *what, wh_error_t *err)
{
    int          rc, denied;
    const char  *advice;

    advice = "";
    denied = 0;

    switch (sqlite3_errcode(db) & 0xff) {

    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
    case SQLITE_FULL:
        rc = WH_AGAIN;
        break;

    case SQLITE_IOERR:
        if (wh_schema_quota(db)) {
            /* a full disk to whoever has a quota; SQLite has no word for it */
            rc = WH_AGAIN;
            advice = "; the disk quota is used up";

        } else if (sqlite3_extended_errcode(db) == SQLITE_IOERR_SHMSIZE) {
            rc = WH_AGAIN;
            advice = "; there is no room for its -shm: the disk is full";

        } else {
            rc = WH_ERROR;
        }

        break;

    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        denied = wh_schema_denied(db);
        rc = denied ? WH_ERROR : WH_AGAIN;
        break;

    case SQLITE_NOMEM:
        rc = WH_NOMEM;
        break;

    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        rc = WH_ERROR;
        advice = WH_SCHEMA_DAMAGED;
        break;

    default:
        rc = WH_ERROR;
        break;
    }

    if (denied) {
        advice = "; correct the permissions of the database, its -wal, its"
                 " -shm and their folder";
    }

    return wh_error_set(err, rc, "%s: %s%s", what, sqlite3_errmsg(db), advice);
}


/* Whether somebody has to correct permissions; otherwise it will pass. */

static int
wh_schema_denied(sqlite3 *db)
{
    int  error;

    if ((sqlite3_errcode(db) & 0xff) == SQLITE_CANTOPEN) {
        error = sqlite3_system_errno(db);
        return error == EACCES || error == EPERM || error == EROFS;
    }

    /* otherwise a reader met a database whose -shm is not there yet */

    error = sqlite3_extended_errcode(db);

    return error == SQLITE_READONLY || error == SQLITE_READONLY_DIRECTORY;
}


/*
 * Whether EDQUOT was the last error of the connection, the file or its log:
 * the first is as errno was when SQLite gave up, which may be of something that
 * came later; but a rollback journal, as of a new file, has no other.
 */

static int
wh_schema_quota(sqlite3 *db)
{
    int            error, log_error;
    sqlite3_file  *log;

    error = 0;
    log_error = 0;
    log = NULL;

    (void) sqlite3_file_control(db, NULL, SQLITE_FCNTL_LAST_ERRNO, &error);
    (void) sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);

    if (log != NULL && log->pMethods != NULL) {
        (void) log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO,
                                           &log_error);
    }

    return sqlite3_system_errno(db) == EDQUOT || error == EDQUOT
           || log_error == EDQUOT;
}
