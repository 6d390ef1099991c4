/*
 * POST: a command goes into Kafka, and is answered when the brokers have it.
 */

#ifndef _NGX_HTTP_WAREHOUSE_COMMANDS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_COMMANDS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/* The content handler of warehouse_commands. */
ngx_int_t ngx_http_warehouse_commands_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_COMMANDS_H_INCLUDED_ */
