/*
 * The lists of a database: the newest one of each format is kept and shared,
 * who comes while one is built waits for it or the next; what requests hold is
 * counted.
 */

#ifndef _NGX_HTTP_WAREHOUSE_LISTS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_LISTS_H_INCLUDED_


#include "ngx_http_warehouse_build.h"
#include "ngx_http_warehouse_outage.h"
#include "ngx_http_warehouse_reader.h"
#include "ngx_http_warehouse_refusal.h"
#include "ngx_http_warehouse_snapshot.h"


/* What a location allows its lists. */

typedef struct {
    size_t       buffer;        /* see ngx_http_warehouse_snapshot_create() */
    ngx_path_t  *temp_path;
    off_t        limit;         /* bytes of lists that requests hold */
} ngx_http_warehouse_room_t;


/*
 * Who waits for a list in a format: told once, from the event loop.  With a snapshot comes
 * a reference; NULL: refusal says why there is none.
 */

typedef struct ngx_http_warehouse_list_waiter_s
    ngx_http_warehouse_list_waiter_t;

typedef void (*ngx_http_warehouse_list_pt)(
    ngx_http_warehouse_list_waiter_t *waiter,
    ngx_http_warehouse_snapshot_t *snapshot,
    const ngx_http_warehouse_refusal_t *refusal);

struct ngx_http_warehouse_list_waiter_s {
    ngx_queue_t                  queue;
    ngx_http_warehouse_list_pt   handler;
    void                        *data;
    ngx_uint_t                   format;
    ngx_http_warehouse_room_t    room;
    unsigned                     queued:1;
};


typedef struct ngx_http_warehouse_lists_s  ngx_http_warehouse_lists_t;


/* The list in one format. */

typedef struct {
    ngx_http_warehouse_lists_t     *lists;
    ngx_http_warehouse_build_t      build;      /* of the next one */
    ngx_http_warehouse_snapshot_t  *current;    /* the newest, or NULL */
    ngx_queue_t                     waiting;    /* for the one being built */
    ngx_queue_t                     late;       /* for the one after it */
    ngx_http_warehouse_room_t       room;       /* for these */
} ngx_http_warehouse_edition_t;


struct ngx_http_warehouse_lists_s {
    ngx_http_warehouse_reader_t    *reader;     /* the database's, like ... */
    ngx_http_warehouse_outage_t    *outage;     /* ... this */

    ngx_http_warehouse_edition_t    editions[NGX_HTTP_WAREHOUSE_FORMATS];
    ngx_queue_t                     dropped;    /* the database went away */
    int                             why;        /* as reader->rc was then */
    wh_error_t                      why_err;
    ngx_event_t                     drop;
    off_t                           live;       /* bytes of all lists */
    ngx_uint_t                      forgotten;  /* lists_forget(), how often */
    unsigned                        crowded:1;  /* no room for the last one */
};


/* Zeroed before.  At the end of the process nobody is answered any more. */
void ngx_http_warehouse_lists_init(ngx_http_warehouse_lists_t *lists,
    ngx_http_warehouse_reader_t *reader, ngx_http_warehouse_outage_t *outage,
    ngx_log_t *log);
void ngx_http_warehouse_lists_close(ngx_http_warehouse_lists_t *lists);

/*
 * A list, in the waiter's format, of that version of the database, or a later
 * one.  NGX_OK: *snapshot,
 * with a reference for the caller; NGX_AGAIN: waiter is queued, and will be
 * told unless it is cancelled; NGX_ERROR: reader->rc says why not.
 */
ngx_int_t ngx_http_warehouse_lists_get(ngx_http_warehouse_lists_t *lists,
    int version, ngx_http_warehouse_list_waiter_t *waiter,
    ngx_http_warehouse_snapshot_t **snapshot);
void ngx_http_warehouse_lists_cancel(ngx_http_warehouse_list_waiter_t *waiter);

/*
 * An empty snapshot for a page, counted among the lists; NULL: no memory, or
 * no room for it, as reader->rc says.
 */
ngx_http_warehouse_snapshot_t *ngx_http_warehouse_lists_page(
    ngx_http_warehouse_lists_t *lists, const ngx_http_warehouse_room_t *room);

/*
 * Gives up what was read from a file that is no longer open, and the builds
 * that are under way.  Who waits for them is answered from an event of its own:
 * an answer may lead back here.  The second closes the reader first.
 */
void ngx_http_warehouse_lists_forget(ngx_http_warehouse_lists_t *lists);
void ngx_http_warehouse_lists_lost(ngx_http_warehouse_lists_t *lists);


#endif /* _NGX_HTTP_WAREHOUSE_LISTS_H_INCLUDED_ */
