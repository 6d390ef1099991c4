/*
 * The handler of warehouse_notifications.
 */

#ifndef _NGX_HTTP_WAREHOUSE_NOTIFICATIONS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_NOTIFICATIONS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* Serves GET: the notifications from now on, or behind one, as they come. */
ngx_int_t ngx_http_warehouse_notifications_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_NOTIFICATIONS_H_INCLUDED_ */
