#include "ngx_http_warehouse_crowd.h"
#include "ngx_http_warehouse_zone.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif


static void ngx_http_warehouse_crowd_event(ngx_event_t *ev);


static ngx_event_t       ngx_http_warehouse_crowd_timer;
static ngx_connection_t  ngx_http_warehouse_crowd_dummy = { .fd = -1 };
static ngx_msec_t        ngx_http_warehouse_crowd_seen;
static ngx_msec_t        ngx_http_warehouse_crowd_next;


void
ngx_http_warehouse_crowd(ngx_uint_t waiting)
{
    ngx_event_t  *ev;

    if (waiting < NGX_HTTP_WAREHOUSE_CROWD) {
        return;
    }

    ngx_http_warehouse_crowd_seen = ngx_current_msec;
    ngx_http_warehouse_crowd_next = NGX_HTTP_WAREHOUSE_CALM;

    ev = &ngx_http_warehouse_crowd_timer;

    ev->handler = ngx_http_warehouse_crowd_event;
    ev->data = &ngx_http_warehouse_crowd_dummy;        /* for debug lines */
    ev->cancelable = 1;
    ev->log = ngx_cycle->log;

    /* that of the crowd before may be far away */

    ngx_add_timer(ev, ngx_http_warehouse_crowd_next);
}


void
ngx_http_warehouse_crowd_leave(void)
{
    if (ngx_http_warehouse_crowd_timer.timer_set) {
        ngx_del_timer(&ngx_http_warehouse_crowd_timer);
    }
}


static void
ngx_http_warehouse_crowd_event(ngx_event_t *ev)
{
    ev->log = ngx_cycle->log;

    if (ngx_max(ngx_http_warehouse_slot->waiting,
                ngx_http_warehouse_slot->following)
        >= NGX_HTTP_WAREHOUSE_CROWD)
    {
        ngx_http_warehouse_crowd_seen = ngx_current_msec;
    }

    if (ngx_current_msec - ngx_http_warehouse_crowd_seen
        < NGX_HTTP_WAREHOUSE_CALM)
    {
        ngx_add_timer(ev, NGX_HTTP_WAREHOUSE_CALM);
        return;
    }

#ifdef __GLIBC__
    (void) malloc_trim(0);
#endif

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "warehouse: free memory given back");

    ngx_http_warehouse_crowd_next *= 2;

    if (ngx_http_warehouse_crowd_next <= NGX_HTTP_WAREHOUSE_GONE) {
        ngx_add_timer(ev, ngx_http_warehouse_crowd_next);
    }
}
