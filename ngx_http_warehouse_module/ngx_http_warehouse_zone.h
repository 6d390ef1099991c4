/*
 * What the workers count, in a zone of shared memory: counters are of all
 * workers that ever were, gauges belong to a process and go with it, however it
 * ends; old and new workers live side by side during a reload.
 */

#ifndef _NGX_HTTP_WAREHOUSE_ZONE_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_warehouse_format.h"
#include "wh_metric.h"


#define NGX_HTTP_WAREHOUSE_WORKERS  512      /* that have gauges */
#define NGX_HTTP_WAREHOUSE_CODES    22
#define NGX_HTTP_WAREHOUSE_ENDS     1024     /* partitions, see ends.h */


/* What a location serves. */

typedef enum {
    NGX_HTTP_WAREHOUSE_SERVE_COMMANDS = 0,
    NGX_HTTP_WAREHOUSE_SERVE_ITEMS,
    NGX_HTTP_WAREHOUSE_SERVE_NOTIFICATIONS,
    NGX_HTTP_WAREHOUSE_SERVE_METRICS,
    NGX_HTTP_WAREHOUSE_SERVE_HEALTH,
    NGX_HTTP_WAREHOUSE_SERVE_PROBLEM,        /* errors of nginx's core */
    NGX_HTTP_WAREHOUSE_SERVES
} ngx_http_warehouse_serve_e;


/* What became of messages. */

typedef enum {
    NGX_HTTP_WAREHOUSE_WRITTEN = 0,
    NGX_HTTP_WAREHOUSE_NOT_WRITTEN,
    NGX_HTTP_WAREHOUSE_MAYBE_WRITTEN,
    NGX_HTTP_WAREHOUSE_RESULTS
} ngx_http_warehouse_result_e;


/* The gauges of one worker, which alone writes them. */

typedef struct {
    ngx_atomic_t  pid;          /* 0: free */
    ngx_atomic_t  waiting;      /* requests, for an acknowledgement */
    ngx_atomic_t  following;    /* requests, for the daemon */
    ngx_atomic_t  subscribers;  /* to notifications */
    ngx_atomic_t  queue;        /* messages in its producers */
    ngx_atomic_t  bytes;        /* of lists, in memory and files */
    ngx_atomic_t  seen;         /* a broker was, s since 1970; 0: never */
    ngx_atomic_t  begun;        /* the same, when it joined */
} ngx_http_warehouse_slot_t;


/* How far a partition is written. */

typedef struct {
    ngx_atomic_t  key;          /* of topic and partition; 0: free */
    ngx_atomic_t  next;         /* behind the last offset */
} ngx_http_warehouse_end_t;


typedef struct {
    ngx_atomic_t  requests[NGX_HTTP_WAREHOUSE_SERVES][NGX_HTTP_WAREHOUSE_CODES];
    ngx_atomic_t  latency[WH_BUCKETS_MAX];   /* see wh_buckets_latency */
    ngx_atomic_t  latency_us;                /* the sum */
    ngx_atomic_t  messages[NGX_HTTP_WAREHOUSE_RESULTS];
    ngx_atomic_t  overload;                  /* refused: too many waited */
    ngx_atomic_t  unfollowed;                /* the same, for the daemon */
    ngx_atomic_t  unsubscribed;              /* the same, to notifications */
    ngx_atomic_t  polls;                     /* for all that wait */
    ngx_atomic_t  cut;                       /* subscribers, too slow */
    ngx_atomic_t  events;                    /* for all of them */
    ngx_atomic_t  resets;                    /* some were missing */
    ngx_atomic_t  batches;                   /* of commands */
    ngx_atomic_t  producers;                 /* created, ... */
    ngx_atomic_t  retired;                   /* ... of no more use */
    ngx_atomic_t  errors;                    /* of librdkafka */
    ngx_atomic_t  built[NGX_HTTP_WAREHOUSE_FORMATS];
    ngx_atomic_t  failed[NGX_HTTP_WAREHOUSE_FORMATS];

    ngx_http_warehouse_end_t   ends[NGX_HTTP_WAREHOUSE_ENDS];
    ngx_http_warehouse_slot_t  slots[NGX_HTTP_WAREHOUSE_WORKERS];
} ngx_http_warehouse_zone_t;


/* Of this process; never NULL, but of no use to others before it has joined. */
extern ngx_http_warehouse_zone_t  *ngx_http_warehouse_zone;
extern ngx_http_warehouse_slot_t  *ngx_http_warehouse_slot;


#define ngx_http_warehouse_count(counter)                                     \
    (void) ngx_atomic_fetch_add(&ngx_http_warehouse_zone->counter, 1)


/* Adds the zone to a configuration.  NULL: out of memory. */
ngx_shm_zone_t *ngx_http_warehouse_zone_add(ngx_conf_t *cf);

/* A worker begins; zone may be NULL.  It ends. */
void ngx_http_warehouse_zone_join(ngx_shm_zone_t *zone);
void ngx_http_warehouse_zone_leave(void);

/* True if the slot's process is there. */
ngx_uint_t ngx_http_warehouse_slot_alive(ngx_http_warehouse_slot_t *slot);

/* The status of a column of requests[]; 0: all others. */
ngx_uint_t ngx_http_warehouse_code(ngx_uint_t i);

/* Counts a request that ends with a status. */
void ngx_http_warehouse_count_request(ngx_http_warehouse_serve_e serve,
    ngx_uint_t status);

/* Counts a command that was acknowledged after us. */
void ngx_http_warehouse_count_latency(int64_t us);


#endif /* _NGX_HTTP_WAREHOUSE_ZONE_H_INCLUDED_ */
