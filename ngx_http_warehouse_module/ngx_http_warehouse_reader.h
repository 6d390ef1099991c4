/*
 * The handles on one database file: found again when the file is replaced;
 * they read the version of its contents, and its items in one transaction.
 */

#ifndef _NGX_HTTP_WAREHOUSE_READER_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_READER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <sqlite3.h>

#include "ngx_http_warehouse_format.h"
#include "wh_error.h"
#include "wh_kept.h"


/*
 * Where a function returns NGX_ERROR, rc is what went wrong (WH_NONE: there
 * is no database; WH_RECOVERING; WH_AGAIN: it will pass; WH_ERROR: it will
 * not; WH_NOMEM), and err says it to operators.
 */

/* A handle in a transaction of its own, and what it can read in there. */

typedef struct {
    sqlite3       *handle;        /* NULL: closed */
    sqlite3_stmt  *items;         /* all of them */
    sqlite3_stmt  *position;      /* of the notifications */
} ngx_http_warehouse_cursor_t;


/* The row of outcomes that was read last, see outcomes.h. */

typedef struct {
    ngx_str_t      topic;         /* who asks has its bytes */
    int32_t        partition;
    int64_t        last;          /* offset in it, ... */
    int64_t        seen;          /* ... and the one read last */
    wh_kept_row_t  kept;
    unsigned       open:1;
} ngx_http_warehouse_row_t;


typedef struct {
    ngx_str_t      path;
    u_char        *log_path;      /* of its -wal */
    sqlite3       *probe;         /* asks for the version; NULL: closed */
    sqlite3_stmt  *data_version;
    ngx_http_warehouse_cursor_t
                   cursors[NGX_HTTP_WAREHOUSE_FORMATS];    /* for lists */
    sqlite3       *points;        /* reads some items, see points.h */
    sqlite3_stmt  *begin;         /* its transactions */
    sqlite3_stmt  *commit;
    sqlite3_stmt  *state;
    sqlite3_stmt  *position;
    sqlite3_stmt  *item;
    sqlite3_stmt  *from;
    sqlite3_stmt  *after;
    sqlite3_stmt  *next;          /* of outcomes; NULL: not opened */
    sqlite3_stmt  *commands;
    sqlite3_stmt  *outcome;
    sqlite3_stmt  *feed;
    ngx_http_warehouse_row_t
                   row;
    int            checked;       /* version when they were checked last; ... */
    unsigned       ready:1;       /* ... they were, and found good */
    dev_t          dev;
    ino_t          ino;
    ino_t          log_ino;       /* 0: there is none */
    int            rc;
    wh_error_t     err;
} ngx_http_warehouse_reader_t;


/* A closed reader of the file at path.  NGX_OK; NGX_ERROR: out of memory. */
ngx_int_t ngx_http_warehouse_reader_init(ngx_http_warehouse_reader_t *reader,
    ngx_pool_t *pool, ngx_str_t *path);

/*
 * Makes sure that the file at the path is the one that is open.  NGX_OK;
 * NGX_DONE: it was opened now, what was read before or is being read is of no
 * use; NGX_ERROR: it is closed, with the same consequence.  A reader may
 * be closed at any time, and more than once.
 */
ngx_int_t ngx_http_warehouse_reader_open(ngx_http_warehouse_reader_t *reader);
void ngx_http_warehouse_reader_close(ngx_http_warehouse_reader_t *reader);

/*
 * A number that changes with every commit of another connection.  NGX_OK,
 * NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_reader_version(
    ngx_http_warehouse_reader_t *reader, int *version);

/*
 * Reading the items with the cursor of a format, sorted by sku: begin opens it
 * if need be, and a transaction (NGX_OK, NGX_ERROR: also where the items are
 * being recovered); next gives one item (NGX_OK, NGX_DONE: there are no more,
 * NGX_ERROR).  end has to follow, whatever they returned.
 */
ngx_int_t ngx_http_warehouse_reader_begin(ngx_http_warehouse_reader_t *reader,
    ngx_uint_t format);
ngx_int_t ngx_http_warehouse_reader_next(ngx_http_warehouse_reader_t *reader,
    ngx_uint_t format, ngx_http_warehouse_item_t *item);
void ngx_http_warehouse_reader_end(ngx_http_warehouse_reader_t *reader,
    ngx_uint_t format);

/*
 * In the same transaction: the first offset of the notifications topic that
 * the items may not stand for yet; -1: the database does not say.  NGX_OK,
 * NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_reader_position(
    ngx_http_warehouse_reader_t *reader, ngx_uint_t format, int64_t *next);


/*
 * For the parts that read by points: prepares a statement of a handle (NGX_OK,
 * NGX_ERROR); closes those of outcomes.h.
 */
ngx_int_t ngx_http_warehouse_reader_prepare(
    ngx_http_warehouse_reader_t *reader, sqlite3 *handle, const char *sql,
    sqlite3_stmt **stmt);
void ngx_http_warehouse_reader_outcomes_close(
    ngx_http_warehouse_reader_t *reader);

/* The same for the rows of any statements: sku, qty; next. */
ngx_int_t ngx_http_warehouse_reader_row(ngx_http_warehouse_reader_t *reader,
    sqlite3 *handle, sqlite3_stmt *stmt, ngx_http_warehouse_item_t *item);
ngx_int_t ngx_http_warehouse_reader_number(ngx_http_warehouse_reader_t *reader,
    sqlite3 *handle, sqlite3_stmt *stmt, int64_t *next);

/*
 * Remember what went wrong, for the caller: rc is a wh_rc_t that goes with
 * reader->err; the second takes SQLite's words.  NGX_OK where rc is WH_OK,
 * otherwise NGX_ERROR.  The third is for what will pass.
 */
ngx_int_t ngx_http_warehouse_reader_result(ngx_http_warehouse_reader_t *reader,
    int rc);
ngx_int_t ngx_http_warehouse_reader_fail(ngx_http_warehouse_reader_t *reader,
    sqlite3 *handle);
ngx_int_t ngx_http_warehouse_reader_failed(ngx_http_warehouse_reader_t *reader,
    const char *why);


#endif /* _NGX_HTTP_WAREHOUSE_READER_H_INCLUDED_ */
