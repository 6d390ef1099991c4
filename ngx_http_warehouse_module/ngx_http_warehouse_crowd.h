/*
 * Memory after a crowd.  What thousands of requests took while the brokers were
 * away is free when they are answered, but the C library keeps it.
 */

#ifndef NGX_HTTP_WAREHOUSE_CROWD_H
#define NGX_HTTP_WAREHOUSE_CROWD_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


#define NGX_HTTP_WAREHOUSE_CROWD  1000    /* requests */
#define NGX_HTTP_WAREHOUSE_CALM   5000    /* ms, then twice as much each time */
#define NGX_HTTP_WAREHOUSE_GONE   80000   /* ms: longer than keepalive_timeout */


/*
 * Another request waits: that many now, in this worker.  When there were
 * NGX_HTTP_WAREHOUSE_CROWD, and for NGX_HTTP_WAREHOUSE_CALM not any more, free
 * memory goes back to the system; and some times more, since connections are
 * closed later than requests end.
 */
void ngx_http_warehouse_crowd(ngx_uint_t waiting);

/* The process ends. */
void ngx_http_warehouse_crowd_leave(void);


#endif
