/*
 * Snapshots of the stock: the list of all items as JSON, built from one read
 * transaction in slices between other events, shared by all requests that
 * may see the same state, and kept until the database changes.
 */

#ifndef _NGX_HTTP_WAREHOUSE_SNAPSHOT_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_SNAPSHOT_H_INCLUDED_


#include "ngx_http_warehouse_module.h"


typedef struct ngx_http_warehouse_snapshot_s  ngx_http_warehouse_snapshot_t;


/*
 * A database as configured, one for each path; its handles are opened by the
 * worker when it needs them, and closed with the configuration.  NULL: out of
 * memory.
 */
ngx_http_warehouse_db_t *ngx_http_warehouse_db_create(ngx_conf_t *cf,
    ngx_str_t *path);
ngx_str_t *ngx_http_warehouse_db_path(ngx_http_warehouse_db_t *db);

/*
 * Finds a snapshot of the state that the database has now, or one of later.
 * buffer is what a list may take of memory, in bytes; a longer one goes to an
 * unlinked file in temp_path.
 *
 * NGX_OK: *snapshot, with a reference for the caller.  NGX_AGAIN: ctx was
 * queued, and ngx_http_warehouse_items_done() will be called with its request
 * unless ngx_http_warehouse_snapshot_cancel() is called first.  NGX_DECLINED:
 * the stock cannot be shown now, *why says why.
 */
ngx_int_t ngx_http_warehouse_snapshot_get(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_ctx_t *ctx, size_t buffer, ngx_path_t *temp_path,
    ngx_http_warehouse_snapshot_t **snapshot, const char **why);
void ngx_http_warehouse_snapshot_cancel(ngx_http_warehouse_ctx_t *ctx);

/* Gives a reference back; the last one frees the snapshot. */
void ngx_http_warehouse_snapshot_release(
    ngx_http_warehouse_snapshot_t *snapshot);

/* The list's length in bytes. */
off_t ngx_http_warehouse_snapshot_size(
    ngx_http_warehouse_snapshot_t *snapshot);

/*
 * Makes the chain that sends the list, from the request's pool; it is good
 * while the caller holds its reference.  NULL: out of memory.
 */
ngx_chain_t *ngx_http_warehouse_snapshot_chain(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *snapshot);

/*
 * In ngx_http_warehouse_items.c: answers a queued request.  With a snapshot
 * comes a reference; without one, why says why.
 */
void ngx_http_warehouse_items_done(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *snapshot, const char *why);


#endif /* _NGX_HTTP_WAREHOUSE_SNAPSHOT_H_INCLUDED_ */
