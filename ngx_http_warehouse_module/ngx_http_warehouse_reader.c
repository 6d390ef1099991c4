#include "ngx_http_warehouse_reader.h"
#include "wh_schema.h"

#include <sys/stat.h>


static ino_t ngx_http_warehouse_reader_log_ino(ngx_http_warehouse_reader_t *r);
static ngx_int_t ngx_http_warehouse_reader_handles(
    ngx_http_warehouse_reader_t *r);
static ngx_int_t ngx_http_warehouse_reader_handle(
    ngx_http_warehouse_reader_t *r, sqlite3 **handle, const char *sql,
    sqlite3_stmt **stmt);
static ngx_int_t ngx_http_warehouse_reader_cursor(
    ngx_http_warehouse_reader_t *r, ngx_http_warehouse_cursor_t *c);
static void ngx_http_warehouse_reader_cursor_close(
    ngx_http_warehouse_cursor_t *c);
static ngx_uint_t ngx_http_warehouse_reader_same(
    ngx_http_warehouse_reader_t *r);


ngx_int_t
ngx_http_warehouse_reader_init(ngx_http_warehouse_reader_t *r,
    ngx_pool_t *pool, ngx_str_t *path)
{
    ngx_memzero(r, sizeof(ngx_http_warehouse_reader_t));

    r->path = *path;

    r->log_path = ngx_pnalloc(pool, path->len + sizeof("-wal"));
    if (r->log_path == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(r->log_path, "%V-wal%Z", path);

    return NGX_OK;
}


/*
 * The file is never opened here but by SQLite: closing a descriptor of our own
 * would drop the locks SQLite holds on it.
 */

ngx_int_t
ngx_http_warehouse_reader_open(ngx_http_warehouse_reader_t *r)
{
    ino_t        log_ino;
    ngx_err_t    err;
    struct stat  st, after;

    if (stat((char *) r->path.data, &st) == -1) {
        err = ngx_errno;
        ngx_http_warehouse_reader_close(r);

        if (err == NGX_ENOENT) {
            return ngx_http_warehouse_reader_result(r,
                                 wh_error_set(&r->err, WH_NONE,
                                              "there is no database yet"));
        }

        return ngx_http_warehouse_reader_result(r,
                              wh_error_set(&r->err, WH_ERROR, "the database "
                                           "cannot be reached: %s",
                                           strerror(err)));
    }

    log_ino = ngx_http_warehouse_reader_log_ino(r);

    if (r->probe != NULL && st.st_dev == r->dev && st.st_ino == r->ino
        && log_ino == r->log_ino)
    {
        return NGX_OK;
    }

    /* replaced: an open reader would go on with the old file for ever */
    ngx_http_warehouse_reader_close(r);

    if (ngx_http_warehouse_reader_handles(r) != NGX_OK) {
        ngx_http_warehouse_reader_close(r);
        return NGX_ERROR;
    }

    if (stat((char *) r->path.data, &after) == -1
        || after.st_dev != st.st_dev || after.st_ino != st.st_ino)
    {
        ngx_http_warehouse_reader_close(r);
        return ngx_http_warehouse_reader_result(r,
                                 wh_error_set(&r->err, WH_AGAIN,
                                              "the database is being replaced"));
    }

    r->dev = st.st_dev;
    r->ino = st.st_ino;
    r->log_ino = log_ino;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "warehouse: database \"%V\" is open", &r->path);

    return NGX_DONE;
}


/* Each for a transaction of its own: see probe and points. */

static ngx_int_t
ngx_http_warehouse_reader_handles(ngx_http_warehouse_reader_t *r)
{
    if (ngx_http_warehouse_reader_handle(r, &r->probe, "PRAGMA data_version",
                                         &r->data_version)
        != NGX_OK
        || ngx_http_warehouse_reader_handle(r, &r->points, WH_SQL_STATE,
                                            &r->state)
           != NGX_OK
        || ngx_http_warehouse_reader_prepare(r, r->points, "BEGIN", &r->begin)
           != NGX_OK
        || ngx_http_warehouse_reader_prepare(r, r->points, "COMMIT",
                                             &r->commit)
           != NGX_OK
        || ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_NOTIFIED,
                                             &r->position)
           != NGX_OK
        || ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_ONE_ITEM,
                                             &r->item)
           != NGX_OK
        || ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_ITEMS_FROM,
                                             &r->from)
           != NGX_OK
        || ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_ITEMS_AFTER,
                                             &r->after)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * A replaced file may be opened with the log of the one before, until the
 * daemon takes that away.
 */

static ino_t
ngx_http_warehouse_reader_log_ino(ngx_http_warehouse_reader_t *r)
{
    struct stat  st;

    return (stat((char *) r->log_path, &st) == -1) ? 0 : st.st_ino;
}


static ngx_int_t
ngx_http_warehouse_reader_handle(ngx_http_warehouse_reader_t *r,
    sqlite3 **handle, const char *sql, sqlite3_stmt **stmt)
{
    if (sqlite3_open_v2((char *) r->path.data, handle,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL)
        != SQLITE_OK)
    {
        return ngx_http_warehouse_reader_result(r,
                        wh_schema_fail(*handle, "the database cannot be opened",
                                       &r->err));
    }

    if (ngx_http_warehouse_reader_result(r, wh_schema_readable(*handle, &r->err))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_warehouse_reader_prepare(r, *handle, sql, stmt);
}


ngx_int_t
ngx_http_warehouse_reader_prepare(ngx_http_warehouse_reader_t *r,
    sqlite3 *handle, const char *sql, sqlite3_stmt **stmt)
{
    if (sqlite3_prepare_v3(handle, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt,
                           NULL)
        != SQLITE_OK)
    {
        return ngx_http_warehouse_reader_fail(r, handle);
    }

    return NGX_OK;
}


void
ngx_http_warehouse_reader_close(ngx_http_warehouse_reader_t *r)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_WAREHOUSE_FORMATS; i++) {
        ngx_http_warehouse_reader_cursor_close(&r->cursors[i]);
    }

    ngx_http_warehouse_reader_outcomes_close(r);

    (void) sqlite3_finalize(r->data_version);
    (void) sqlite3_finalize(r->begin);
    (void) sqlite3_finalize(r->commit);
    (void) sqlite3_finalize(r->state);
    (void) sqlite3_finalize(r->position);
    (void) sqlite3_finalize(r->item);
    (void) sqlite3_finalize(r->from);
    (void) sqlite3_finalize(r->after);
    (void) sqlite3_close(r->probe);
    (void) sqlite3_close(r->points);

    r->data_version = NULL;
    r->begin = NULL;
    r->commit = NULL;
    r->state = NULL;
    r->position = NULL;
    r->item = NULL;
    r->from = NULL;
    r->after = NULL;
    r->probe = NULL;
    r->points = NULL;
    r->ready = 0;
}


void
ngx_http_warehouse_reader_outcomes_close(ngx_http_warehouse_reader_t *r)
{
    (void) sqlite3_finalize(r->next);
    (void) sqlite3_finalize(r->commands);
    (void) sqlite3_finalize(r->outcome);
    (void) sqlite3_finalize(r->feed);

    r->next = NULL;
    r->commands = NULL;
    r->outcome = NULL;
    r->feed = NULL;
    r->row.open = 0;
}


ngx_int_t
ngx_http_warehouse_reader_version(ngx_http_warehouse_reader_t *r,
    int *version)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    if (sqlite3_step(r->data_version) == SQLITE_ROW) {
        *version = sqlite3_column_int(r->data_version, 0);

    } else {
        rc = ngx_http_warehouse_reader_fail(r, r->probe);
    }

    (void) sqlite3_reset(r->data_version);

    return rc;
}


ngx_int_t
ngx_http_warehouse_reader_begin(ngx_http_warehouse_reader_t *r,
    ngx_uint_t format)
{
    ngx_http_warehouse_cursor_t  *c;

    c = &r->cursors[format];

    if (c->position == NULL) {

        if (ngx_http_warehouse_reader_cursor(r, c) != NGX_OK) {
            return NGX_ERROR;
        }

        if (!ngx_http_warehouse_reader_same(r)) {
            ngx_http_warehouse_reader_cursor_close(c);
            return ngx_http_warehouse_reader_failed(r, "the database is being "
                                                    "replaced");
        }
    }

    if (sqlite3_exec(c->handle, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) {
        return ngx_http_warehouse_reader_fail(r, c->handle);
    }

    return ngx_http_warehouse_reader_result(r,
                                       wh_schema_ready(c->handle, &r->err));
}


/* Opened when a list of its format is asked for; closed if that fails. */

static ngx_int_t
ngx_http_warehouse_reader_cursor(ngx_http_warehouse_reader_t *r,
    ngx_http_warehouse_cursor_t *c)
{
    if (ngx_http_warehouse_reader_handle(r, &c->handle, WH_SQL_LIST_ITEMS,
                                         &c->items)
        == NGX_OK
        && ngx_http_warehouse_reader_prepare(r, c->handle, WH_SQL_NOTIFIED,
                                             &c->position)
           == NGX_OK)
    {
        return NGX_OK;
    }

    ngx_http_warehouse_reader_cursor_close(c);

    return NGX_ERROR;
}


static void
ngx_http_warehouse_reader_cursor_close(ngx_http_warehouse_cursor_t *c)
{
    (void) sqlite3_finalize(c->items);
    (void) sqlite3_finalize(c->position);
    (void) sqlite3_close(c->handle);

    ngx_memzero(c, sizeof(ngx_http_warehouse_cursor_t));
}


/* Whether the path still names the file that is open. */

static ngx_uint_t
ngx_http_warehouse_reader_same(ngx_http_warehouse_reader_t *r)
{
    struct stat  st;

    return stat((char *) r->path.data, &st) == 0
           && st.st_dev == r->dev && st.st_ino == r->ino;
}


ngx_int_t
ngx_http_warehouse_reader_next(ngx_http_warehouse_reader_t *r,
    ngx_uint_t format, ngx_http_warehouse_item_t *item)
{
    ngx_http_warehouse_cursor_t  *c;

    c = &r->cursors[format];

    return ngx_http_warehouse_reader_row(r, c->handle, c->items, item);
}


ngx_int_t
ngx_http_warehouse_reader_position(ngx_http_warehouse_reader_t *r,
    ngx_uint_t format, int64_t *next)
{
    ngx_http_warehouse_cursor_t  *c;

    c = &r->cursors[format];

    return ngx_http_warehouse_reader_number(r, c->handle, c->position, next);
}


ngx_int_t
ngx_http_warehouse_reader_number(ngx_http_warehouse_reader_t *r,
    sqlite3 *handle, sqlite3_stmt *stmt, int64_t *next)
{
    int        rc;
    ngx_int_t  result;

    result = NGX_OK;
    rc = sqlite3_step(stmt);

    *next = (rc == SQLITE_ROW) ? sqlite3_column_int64(stmt, 0) : -1;

    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        result = ngx_http_warehouse_reader_fail(r, handle);
    }

    (void) sqlite3_reset(stmt);

    return result;
}


ngx_int_t
ngx_http_warehouse_reader_row(ngx_http_warehouse_reader_t *r, sqlite3 *handle,
    sqlite3_stmt *stmt, ngx_http_warehouse_item_t *item)
{
    switch (sqlite3_step(stmt)) {

    case SQLITE_ROW:
        break;

    case SQLITE_DONE:
        return NGX_DONE;

    default:
        return ngx_http_warehouse_reader_fail(r, handle);
    }

    item->sku = (const char *) sqlite3_column_text(stmt, 0);
    item->len = (size_t) sqlite3_column_bytes(stmt, 0);
    item->qty = sqlite3_column_int64(stmt, 1);
    item->version = 0;

    if (item->sku == NULL) {

        if (sqlite3_errcode(handle) == SQLITE_NOMEM) {
            return ngx_http_warehouse_reader_result(r,
                                 wh_error_set(&r->err, WH_NOMEM,
                                              "out of memory"));
        }

        /* the cells of a page whose end was lost are empty */

        return ngx_http_warehouse_reader_result(r,
                                 wh_error_set(&r->err, WH_ERROR, "the database "
                                              "has a row that is no item"
                                              WH_SCHEMA_DAMAGED));
    }

    return NGX_OK;
}


void
ngx_http_warehouse_reader_end(ngx_http_warehouse_reader_t *r,
    ngx_uint_t format)
{
    ngx_http_warehouse_cursor_t  *c;

    c = &r->cursors[format];

    if (c->handle == NULL) {
        return;
    }

    (void) sqlite3_reset(c->items);

    if (!sqlite3_get_autocommit(c->handle)) {
        (void) sqlite3_exec(c->handle, "COMMIT", NULL, NULL, NULL);
    }
}


ngx_int_t
ngx_http_warehouse_reader_fail(ngx_http_warehouse_reader_t *r, sqlite3 *handle)
{
    return ngx_http_warehouse_reader_result(r,
                        wh_schema_fail(handle, "the database cannot be read",
                                       &r->err));
}


ngx_int_t
ngx_http_warehouse_reader_result(ngx_http_warehouse_reader_t *r, int rc)
{
    r->rc = rc;

    return (rc == WH_OK) ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_warehouse_reader_failed(ngx_http_warehouse_reader_t *r,
    const char *why)
{
    return ngx_http_warehouse_reader_result(r,
                                 wh_error_set(&r->err, WH_AGAIN, "%s", why));
}
