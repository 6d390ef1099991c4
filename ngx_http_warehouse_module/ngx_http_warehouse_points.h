/*
 * Reading single items and pages of the list, by a handle of their own: a list
 * that is being built stays in its transaction, older than the last commit.
 * Each read is a short transaction, over before anything is sent.
 */

#ifndef _NGX_HTTP_WAREHOUSE_POINTS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_POINTS_H_INCLUDED_


#include "ngx_http_warehouse_reader.h"


/* A part of the list: bytes of UTF-8, which stay the caller's. */

typedef struct {
    const char  *begin;         /* the first sku, or ... */
    size_t       begin_len;
    unsigned     after:1;       /* ... the one before it */
    const char  *end;           /* behind the last; NULL: all that follow */
    size_t       end_len;
    ngx_uint_t   limit;         /* items */
} ngx_http_warehouse_range_t;


/*
 * Begins a transaction on a reader that is open; version is what
 * ngx_http_warehouse_reader_version() said.  NGX_OK; NGX_ERROR: also where the
 * items are being recovered.  end has to follow in both cases.
 */
ngx_int_t ngx_http_warehouse_points_begin(ngx_http_warehouse_reader_t *reader,
    int version);
void ngx_http_warehouse_points_end(ngx_http_warehouse_reader_t *reader);

/* Reads the item of a sku.  NGX_OK; NGX_DONE: there is none; NGX_ERROR. */
ngx_int_t ngx_http_warehouse_points_item(ngx_http_warehouse_reader_t *reader,
    const char *sku, size_t len, ngx_http_warehouse_item_t *item);

/* See ngx_http_warehouse_reader_position(). */
ngx_int_t ngx_http_warehouse_points_position(
    ngx_http_warehouse_reader_t *reader, int64_t *next);

/*
 * Begins a range, and gives its items one by one: NGX_OK, NGX_DONE: there are
 * no more, NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_points_range(ngx_http_warehouse_reader_t *reader,
    const ngx_http_warehouse_range_t *range, sqlite3_stmt **stmt);
ngx_int_t ngx_http_warehouse_points_next(ngx_http_warehouse_reader_t *reader,
    sqlite3_stmt *stmt, ngx_http_warehouse_item_t *item);


#endif /* _NGX_HTTP_WAREHOUSE_POINTS_H_INCLUDED_ */
