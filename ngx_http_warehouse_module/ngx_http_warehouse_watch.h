/*
 * Waiting for the daemon: one look at a database a tick for all that wait for a
 * position in commands to be processed, and none while nobody does.
 */

#ifndef _NGX_HTTP_WAREHOUSE_WATCH_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_WATCH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_warehouse_reader.h"


typedef struct ngx_http_warehouse_awaited_s  ngx_http_warehouse_awaited_t;
typedef struct ngx_http_warehouse_lane_s     ngx_http_warehouse_lane_t;


/* How a watch asks its database. */

typedef struct {

    /* NGX_OK: it has changed since the last time, and a transaction is open ... */
    ngx_int_t   (*begin)(void *db, ngx_uint_t stale,
                         ngx_http_warehouse_reader_t **reader);

    /* ... which this ends */
    void        (*end)(void *db);
} ngx_http_warehouse_watch_db_t;


/* Who wants to see what is committed, each time: there may be one. */

typedef struct {
    ngx_uint_t    active;        /* 0: not now */
    ngx_uint_t    again;         /* it wants to read in the next tick, too */

    /* in the transaction; true: there is more to read than one turn may */
    ngx_uint_t  (*read)(void *data, ngx_http_warehouse_reader_t *reader);

    /* after it, and each tick without one; it may send */
    void        (*tell)(void *data);

    void         *data;
} ngx_http_warehouse_observer_t;


typedef struct {
    const ngx_http_warehouse_watch_db_t  *ask;
    void                                 *db;
    ngx_rbtree_t                          lanes;    /* by topic, partition */
    ngx_rbtree_node_t                     sentinel;
    ngx_queue_t                           due;      /* to be told */
    ngx_event_t                           tick;
    ngx_http_warehouse_observer_t        *observer;
    unsigned                              stale:1;  /* somebody is new */
    unsigned                              more:1;   /* than one turn tells */
} ngx_http_warehouse_watch_t;


/*
 * Who waits for a position: it is processed once "next" is behind it.  The rest
 * is the watch's, all zeros at first.
 */

struct ngx_http_warehouse_awaited_s {
    int64_t                      offset;

    /* in the transaction that shows it; it must not send anything.  Or NULL */
    void                       (*seen)(ngx_http_warehouse_awaited_t *awaited,
                                       ngx_http_warehouse_reader_t *reader);

    /* after the transaction, from the event loop, once */
    void                       (*handler)(ngx_http_warehouse_awaited_t *awaited);

    void                        *data;

    ngx_rbtree_node_t            node;
    ngx_queue_t                  queue;
    ngx_http_warehouse_lane_t   *lane;
    ngx_http_warehouse_watch_t  *watch;      /* NULL: does not wait */
};


void ngx_http_warehouse_watch_init(ngx_http_warehouse_watch_t *watch,
    const ngx_http_warehouse_watch_db_t *ask, void *db, ngx_log_t *log);

/* The process ends: nobody waits any more. */
void ngx_http_warehouse_watch_close(ngx_http_warehouse_watch_t *watch);

/* The observer is active from now on. */
void ngx_http_warehouse_watch_observe(ngx_http_warehouse_watch_t *watch);

/*
 * Waits for awaited->offset in a partition of topic, or of the daemon's own
 * where topic is empty; topic's bytes must outlive the wait.  The worker stays
 * for it while it shuts down.  NGX_OK; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_warehouse_watch_await(ngx_http_warehouse_watch_t *watch,
    ngx_str_t *topic, int32_t partition,
    ngx_http_warehouse_awaited_t *awaited);

/* The partition it waits in. */
int32_t ngx_http_warehouse_watch_partition(
    const ngx_http_warehouse_awaited_t *awaited);

/* Ends the wait, if there is one. */
void ngx_http_warehouse_watch_cancel(ngx_http_warehouse_awaited_t *awaited);


#endif /* _NGX_HTTP_WAREHOUSE_WATCH_H_INCLUDED_ */
