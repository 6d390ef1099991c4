/*
 * Whether brokers can be reached, by librdkafka's statistics: in a worker
 * without traffic, too, since metadata are asked for every few seconds.
 */

#ifndef _NGX_HTTP_WAREHOUSE_REACH_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_REACH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <librdkafka/rdkafka.h>

#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_REACH  10    /* s since a broker has answered */


/* Take the event of statistics; a delivery report, which is counted, too. */
void ngx_http_warehouse_reach_stats(rd_kafka_event_t *event);
void ngx_http_warehouse_reach_report(const rd_kafka_message_t *message);

/* True if a broker has answered a worker lately. */
ngx_uint_t ngx_http_warehouse_reached(const ngx_http_warehouse_slot_t *slot);

/*
 * True if this worker is too young to have heard of a broker, and another one
 * has: a reload does not make a server unfit.
 */
ngx_uint_t ngx_http_warehouse_reach_young(void);


#endif /* _NGX_HTTP_WAREHOUSE_REACH_H_INCLUDED_ */
