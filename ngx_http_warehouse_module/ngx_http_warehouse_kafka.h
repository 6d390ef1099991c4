/*
 * What the configuration says of Kafka: librdkafka's properties, topics.
 */

#ifndef _NGX_HTTP_WAREHOUSE_KAFKA_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_KAFKA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <librdkafka/rdkafka.h>


typedef struct {
    rd_kafka_conf_t  *properties;    /* all but the brokers; NULL: none */
    ngx_str_t         brokers;       /* bootstrap.servers, with NUL */
    ngx_msec_t        timeout;       /* message.timeout.ms */
    ngx_uint_t        queue;         /* queue.buffering.max.messages */
    size_t            largest;       /* message.max.bytes */
    ngx_array_t       topics;        /* of ngx_str_t, with NUL */
} ngx_http_warehouse_kafka_t;


/* Nothing is configured yet.  NGX_OK, NGX_ERROR. */
ngx_int_t ngx_http_warehouse_kafka_init(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka);

/*
 * Sets a property; both strings end with a NUL.  NGX_CONF_OK, an error text, or
 * NGX_CONF_ERROR where the error was logged.
 */
char *ngx_http_warehouse_kafka_property(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka, ngx_str_t *name, ngx_str_t *value);

/*
 * The index of a topic, which need not be known yet; NGX_ERROR: it is no name
 * of one, or there is no memory.  Logged.
 */
ngx_int_t ngx_http_warehouse_kafka_topic(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka, ngx_str_t *name);

/*
 * Checks the whole once it is read, without connecting to anybody.  NGX_OK;
 * NGX_ERROR, logged.
 */
ngx_int_t ngx_http_warehouse_kafka_check(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka);


#endif /* _NGX_HTTP_WAREHOUSE_KAFKA_H_INCLUDED_ */
