/*
 * One command in a POST.
 */

#ifndef _NGX_HTTP_WAREHOUSE_COMMAND_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_COMMAND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_warehouse_producer.h"
#include "ngx_http_warehouse_refusal.h"
#include "wh_command.h"


/*
 * Writes the command in body, which lives as long as r.  NGX_DONE: r will be
 * finalized; otherwise what ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_warehouse_command(ngx_http_request_t *r, ngx_str_t *body);

/* Answers with 413. */
ngx_int_t ngx_http_warehouse_command_too_large(ngx_http_request_t *r);

/* A message to the location's topic, with what the request's header says. */
void ngx_http_warehouse_command_message(ngx_http_request_t *r,
    ngx_http_warehouse_message_t *message);

/*
 * Whether the daemon understands conditions.  NGX_DECLINED: it does; otherwise r
 * is answered: what ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_warehouse_command_conditions(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_COMMAND_H_INCLUDED_ */
