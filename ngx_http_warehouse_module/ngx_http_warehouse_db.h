/*
 * A database to read from: opened when needed, found again when replaced.
 */

#ifndef _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_warehouse_feed.h"
#include "ngx_http_warehouse_lists.h"
#include "ngx_http_warehouse_reader.h"
#include "ngx_http_warehouse_watch.h"


typedef struct ngx_http_warehouse_db_s  ngx_http_warehouse_db_t;


/*
 * The database at a path; its handles are opened by the worker when it needs
 * them, and closed with the configuration.  NULL: out of memory.
 */
ngx_http_warehouse_db_t *ngx_http_warehouse_db_create(ngx_conf_t *cf,
    ngx_str_t *path);
ngx_str_t *ngx_http_warehouse_db_path(ngx_http_warehouse_db_t *db);


/*
 * Asks for a list, in the waiter's format, of the state that the database has
 * now, or one of later.  The waiter is told, and why the stock cannot be shown
 * operators are by the log, unless ngx_http_warehouse_db_cancel() is called
 * first.  Some of those that ask in one turn of the event loop share a look at
 * the file, which comes after all of them; it may come, for those who asked
 * before, within the call.
 */
void ngx_http_warehouse_db_list(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_list_waiter_t *waiter);
void ngx_http_warehouse_db_cancel(ngx_http_warehouse_list_waiter_t *waiter);


/*
 * Reads that are answered at once, see points.h: begin gives a reader in a
 * transaction (NGX_OK), or says why there is none (NGX_ERROR).  After NGX_OK
 * end has to follow; it is told how the read ended, fills *refusal where that
 * is NGX_ERROR, and returns it.
 */
ngx_int_t ngx_http_warehouse_db_begin(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_reader_t **reader,
    ngx_http_warehouse_refusal_t *refusal);
ngx_int_t ngx_http_warehouse_db_end(ngx_http_warehouse_db_t *db, ngx_int_t rc,
    ngx_http_warehouse_refusal_t *refusal);

/*
 * An empty snapshot for what such a read finds, counted among the lists; NULL:
 * no memory, or no room for it: then the read ends with NGX_ERROR.
 */
ngx_http_warehouse_snapshot_t *ngx_http_warehouse_db_page(
    ngx_http_warehouse_db_t *db, const ngx_http_warehouse_room_t *room);


/*
 * The watch of those that wait for what the daemon does, see watch.h.
 */
ngx_http_warehouse_watch_t *ngx_http_warehouse_db_watch(
    ngx_http_warehouse_db_t *db);

/* Those that follow its notifications. */
ngx_http_warehouse_feed_t *ngx_http_warehouse_db_feed(
    ngx_http_warehouse_db_t *db);

/*
 * Whether the daemon that has the database understands conditions of commands,
 * and keeps outcomes: NGX_OK; NGX_DECLINED; NGX_ERROR: that cannot be said now,
 * as in *refusal.
 */
ngx_int_t ngx_http_warehouse_db_understands(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_refusal_t *refusal);


#endif /* _NGX_HTTP_WAREHOUSE_DB_H_INCLUDED_ */
