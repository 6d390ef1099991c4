/*
 * Following a request's commands to their outcomes.
 */

#ifndef _NGX_HTTP_WAREHOUSE_FOLLOW_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_FOLLOW_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_warehouse_db.h"
#include "wh_kept.h"


typedef struct ngx_http_warehouse_follow_s  ngx_http_warehouse_follow_t;


typedef enum {
    NGX_HTTP_WAREHOUSE_PENDING = 0,
    NGX_HTTP_WAREHOUSE_UNTOLD,          /* processed, the outcome not known */
    NGX_HTTP_WAREHOUSE_TOLD
} ngx_http_warehouse_told_e;


/* A command, and what is known of it. */

typedef struct {
    ngx_http_warehouse_awaited_t   awaited;
    ngx_http_warehouse_follow_t   *follow;
    ngx_str_t                      value;     /* as it was written */
    ngx_http_warehouse_told_e      told;
    wh_verdict_t                   verdict;
    ngx_str_t                      members;   /* of the outcome, as JSON, ... */
                                              /* ... with a NUL behind it */
} ngx_http_warehouse_followed_t;


struct ngx_http_warehouse_follow_s {
    ngx_http_request_t             *request;
    ngx_str_t                       topic;       /* of the commands */
    ngx_http_warehouse_followed_t  *commands;
    ngx_uint_t                      n;
    ngx_uint_t                      pending;
    ngx_event_t                     timer;
    void                           *data;        /* the caller's */

    /* from the event loop, once: all are told, or the time is over */
    void                          (*handler)(ngx_http_warehouse_follow_t *f);
};


/*
 * Whether a POST is to wait for its outcomes, as its Prefer asks (RFC 7240) and
 * warehouse_wait allows: then the request's context has how long.  NGX_OK;
 * NGX_DECLINED: as many wait as may; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_warehouse_follow_wanted(ngx_http_request_t *r);

/*
 * One more request waits, for its outcomes or a position: counted until exit is
 * called, or its end.  NGX_OK; NGX_DECLINED: as many do as may; NGX_ERROR: out
 * of memory.
 */
ngx_int_t ngx_http_warehouse_follow_enter(ngx_http_request_t *r);
void ngx_http_warehouse_follow_exit(ngx_http_request_t *r);

/* Says in the reply that it was waited for.  NGX_OK, NGX_ERROR. */
ngx_int_t ngx_http_warehouse_follow_applied(ngx_http_request_t *r);

/*
 * For n commands of a request in a topic, whose name outlives it.  NULL: out of
 * memory.
 */
ngx_http_warehouse_follow_t *ngx_http_warehouse_follow_create(
    ngx_http_request_t *r, ngx_str_t *topic, ngx_uint_t n,
    void (*handler)(ngx_http_warehouse_follow_t *follow));

/*
 * The i-th is value, whose bytes outlive the request, at this position.  NGX_OK,
 * NGX_ERROR: out of memory.
 */
ngx_int_t ngx_http_warehouse_follow_add(ngx_http_warehouse_follow_t *follow,
    ngx_uint_t i, const ngx_str_t *value, int32_t partition, int64_t offset);

/* All were added: waits, for as long as the context says. */
void ngx_http_warehouse_follow_wait(ngx_http_warehouse_follow_t *follow);

/* Nothing is waited for any more: the handler will not be called. */
void ngx_http_warehouse_follow_cancel(ngx_http_warehouse_follow_t *follow);


#endif /* _NGX_HTTP_WAREHOUSE_FOLLOW_H_INCLUDED_ */
