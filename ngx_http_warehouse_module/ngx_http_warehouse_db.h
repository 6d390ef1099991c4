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

/* What a location allows its lists. */

typedef struct {
    size_t       buffer;        /* see ngx_http_warehouse_snapshot_create() */
    ngx_path_t  *temp_path;
    off_t        limit;         /* bytes of lists that requests hold */
} ngx_http_warehouse_room_t;


/* Why there is no list, for clients. */

typedef struct {
    const char  *detail;        /* a sentence, static */
    ngx_uint_t   retry;         /* it will pass */
} ngx_http_warehouse_refusal_t;


/*
 * Finds a snapshot of the state that the database has now, or one of later.
 *
 * NGX_OK: *snapshot, with a reference for the caller.  NGX_AGAIN: ctx was
 * queued, and ngx_http_warehouse_items_done() will be called with its request
 * unless ngx_http_warehouse_db_cancel() is called first.  NGX_DECLINED: the
 * stock cannot be shown now, *refusal says why, and to operators the log.
 */
ngx_int_t ngx_http_warehouse_db_snapshot(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_ctx_t *ctx, const ngx_http_warehouse_room_t *room,
    ngx_http_warehouse_snapshot_t **snapshot,
    ngx_http_warehouse_refusal_t *refusal);
void ngx_http_warehouse_db_cancel(ngx_http_warehouse_ctx_t *ctx);

/*
 * In ngx_http_warehouse_items.c: answers a queued request.  With a snapshot
 * comes a reference; without one, refusal says why.
 */
void ngx_http_warehouse_items_done(ngx_http_request_t *r,
    ngx_http_warehouse_snapshot_t *snapshot,
    const ngx_http_warehouse_refusal_t *refusal);


#endif /* _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_ */
