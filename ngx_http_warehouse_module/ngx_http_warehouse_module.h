/*
 * What the module's files share: configuration, the request's context and
 * the handlers.  Everything else is behind the header of its own file.
 */

#ifndef _NGX_HTTP_WAREHOUSE_MODULE_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <librdkafka/rdkafka.h>

#include "ngx_http_warehouse_outage.h"


typedef struct ngx_http_warehouse_producer_s  ngx_http_warehouse_producer_t;
typedef struct ngx_http_warehouse_pending_s   ngx_http_warehouse_pending_t;
typedef struct ngx_http_warehouse_db_s        ngx_http_warehouse_db_t;


typedef struct {
    rd_kafka_conf_t                *kafka;      /* all but the brokers */
    ngx_str_t                       brokers;    /* bootstrap.servers */
    ngx_msec_t                      timeout;    /* message.timeout.ms */
    ngx_array_t                     topics;     /* of ngx_str_t, with NUL */
    ngx_array_t                     databases;  /* of pointers to them */

    ngx_http_warehouse_producer_t  *producer;   /* of this worker, or NULL */
    ngx_queue_t                     retired;    /* producers being drained */
    ngx_msec_t                      retry;      /* no new producer before */
    ngx_http_warehouse_outage_t     outage;     /* of Kafka */
    unsigned                        denied:1;   /* by ACLs: it will not pass */
    unsigned                        exited:1;
} ngx_http_warehouse_main_conf_t;


typedef struct {
    ngx_int_t                       topic;      /* index, NGX_CONF_UNSET */
    ngx_http_warehouse_db_t        *db;
    size_t                          buffer;     /* of memory, for a list */
    off_t                           limit;      /* of lists held, bytes */
} ngx_http_warehouse_loc_conf_t;


typedef struct {
    /* warehouse_commands */
    ngx_http_warehouse_pending_t   *pending;    /* waiting for its report */
    ngx_event_t                     guard;
    ngx_str_t                       position;   /* "partition:offset" */
    ngx_str_t                       idempotency_key;    /* or empty */

    /* warehouse_items */
    ngx_http_request_t             *request;
    ngx_queue_t                     queue;      /* waiting for a snapshot */
    unsigned                        queued:1;
} ngx_http_warehouse_ctx_t;


/* Directive handlers of warehouse_kafka and its check at the end. */
char *ngx_http_warehouse_kafka(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_warehouse_kafka_init(ngx_conf_t *cf,
    ngx_http_warehouse_main_conf_t *wmcf);

/* Content handlers of warehouse_commands and warehouse_items. */
ngx_int_t ngx_http_warehouse_commands_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_warehouse_items_handler(ngx_http_request_t *r);

/*
 * The request's context, created on the first call.  NULL: out of memory.
 */
ngx_http_warehouse_ctx_t *ngx_http_warehouse_get_ctx(ngx_http_request_t *r);


extern ngx_module_t  ngx_http_warehouse_module;


#endif /* _NGX_HTTP_WAREHOUSE_MODULE_H_INCLUDED_ */
