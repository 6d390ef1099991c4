/*
 * The notifications of a database for those who follow them: what is new is read
 * once a worker, however many they are.
 */

#ifndef _NGX_HTTP_WAREHOUSE_FEED_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_FEED_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_warehouse_stream.h"
#include "ngx_http_warehouse_watch.h"
#include "wh_args.h"


typedef struct ngx_http_warehouse_subscriber_s
    ngx_http_warehouse_subscriber_t;


typedef struct {
    ngx_http_warehouse_observer_t   observer;
    ngx_rbtree_t                    skus;        /* that somebody names */
    ngx_rbtree_node_t               sentinel;
    ngx_queue_t                     broad;       /* who names none, ... */
    ngx_queue_t                     broad_behind;     /* ... and catches up */
    ngx_queue_t                     behind;      /* those who catch up */
    ngx_http_warehouse_subscriber_t  *last;      /* of a pass among those */
    ngx_uint_t                      round;       /* of passes, see behind.c */
    ngx_queue_t                     dirty;       /* have something to send */
    ngx_queue_t                     quiet;       /* by when they were told last */
    int64_t                         next;        /* position they were told of */
    ngx_uint_t                      live;        /* how many were */
    ngx_msec_t                      looked;      /* for heartbeats, last */
} ngx_http_warehouse_feed_t;


void ngx_http_warehouse_feed_init(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_watch_t *watch);

/*
 * A subscriber to the skus or prefix in args, or all, whose texts are copied,
 * behind the notification at args->offset, or from now on.  NULL: out of memory.
 * It is there until its request ends.
 */
ngx_http_warehouse_subscriber_t *ngx_http_warehouse_feed_subscribe(
    ngx_http_warehouse_feed_t *feed, ngx_http_request_t *r,
    const wh_args_t *args);

/* Its stream, to be opened; and then its events begin. */
ngx_http_warehouse_stream_t *ngx_http_warehouse_feed_stream(
    ngx_http_warehouse_subscriber_t *subscriber);
void ngx_http_warehouse_feed_begin(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_watch_t *watch,
    ngx_http_warehouse_subscriber_t *subscriber, ngx_msec_t heartbeat);


#endif /* _NGX_HTTP_WAREHOUSE_FEED_H_INCLUDED_ */
