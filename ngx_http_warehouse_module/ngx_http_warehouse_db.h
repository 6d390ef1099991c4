/*
 * A database to read from: opened when needed, found again when replaced; one
 * list of its items is kept, until the database changes.
 */

#ifndef _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_warehouse_refusal.h"
#include "ngx_http_warehouse_snapshot.h"


typedef struct ngx_http_warehouse_db_s  ngx_http_warehouse_db_t;


/*
 * The database at a path, one for each in databases (of pointers to them); its
 * handles are opened by the worker when it needs them, and closed with the
 * configuration.  NULL: out of memory, or the path is none, which is logged.
 */
ngx_http_warehouse_db_t *ngx_http_warehouse_db_add(ngx_conf_t *cf,
    ngx_array_t *databases, ngx_str_t *path);


/* What a location allows its lists. */

typedef struct {
    size_t       buffer;        /* see ngx_http_warehouse_snapshot_create() */
    ngx_path_t  *temp_path;
    off_t        limit;         /* bytes of lists that requests hold */
} ngx_http_warehouse_room_t;


/*
 * Who waits for a list: told once, from the event loop.  With a snapshot comes
 * a reference; NULL: refusal says why there is none.
 */

typedef void (*ngx_http_warehouse_list_pt)(void *data,
    ngx_http_warehouse_snapshot_t *snapshot,
    const ngx_http_warehouse_refusal_t *refusal);

typedef struct {
    ngx_queue_t                  queue;
    ngx_http_warehouse_list_pt   handler;
    void                        *data;
    unsigned                     queued:1;
} ngx_http_warehouse_list_waiter_t;


/*
 * Finds a list of the state that the database has now, or one of later.
 *
 * NGX_OK: *snapshot, with a reference for the caller.  NGX_AGAIN: waiter was
 * queued, and will be told unless ngx_http_warehouse_db_cancel() is called
 * first.  NGX_ERROR: the stock cannot be shown now, *refusal says why, and to
 * operators the log.
 */
ngx_int_t ngx_http_warehouse_db_list(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_list_waiter_t *waiter,
    const ngx_http_warehouse_room_t *room,
    ngx_http_warehouse_snapshot_t **snapshot,
    ngx_http_warehouse_refusal_t *refusal);
void ngx_http_warehouse_db_cancel(ngx_http_warehouse_list_waiter_t *waiter);


#endif /* _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_ */
