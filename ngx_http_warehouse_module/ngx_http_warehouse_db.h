/*
 * A database to read from: opened when needed, found again when replaced; its
 * snapshots are built from one read transaction in slices between other
 * events, and kept until the database changes.
 */

#ifndef _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_


#include "ngx_http_warehouse_module.h"
#include "ngx_http_warehouse_snapshot.h"


/*
 * A database as configured, one for each path; its handles are opened by the
 * worker when it needs them, and closed with the configuration.  NULL: out of
 * memory.
 */
ngx_http_warehouse_db_t *ngx_http_warehouse_db_create(ngx_conf_t *cf,
    ngx_str_t *path);
ngx_str_t *ngx_http_warehouse_db_path(ngx_http_warehouse_db_t *db);

/*
 * Finds a snapshot of the state that the database has now, or one of later;
 * buffer and temp_path are those of ngx_http_warehouse_snapshot_create().
 *
 * NGX_OK: *snapshot, with a reference for the caller.  NGX_AGAIN: ctx was
 * queued, and ngx_http_warehouse_items_done() will be called with its request
 * unless ngx_http_warehouse_db_cancel() is called first.  NGX_DECLINED: the
 * stock cannot be shown now, *why says why.
 */
ngx_int_t ngx_http_warehouse_db_snapshot(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_ctx_t *ctx, size_t buffer, ngx_path_t *temp_path,
    ngx_http_warehouse_snapshot_t **snapshot, const char **why);
void ngx_http_warehouse_db_cancel(ngx_http_warehouse_ctx_t *ctx);

/*
 * In ngx_http_warehouse_items.c: answers a queued request.  With a snapshot
 * comes a reference; without one, why says why.
 */
void ngx_http_warehouse_items_done(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *snapshot, const char *why);


#endif /* _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_ */
