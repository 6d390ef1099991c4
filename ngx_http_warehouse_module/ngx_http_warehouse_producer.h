/*
 * One Kafka producer: hands messages to librdkafka, and tells who waits what
 * became of them.
 */

#ifndef _NGX_HTTP_WAREHOUSE_PRODUCER_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_PRODUCER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_warehouse_events.h"
#include "ngx_http_warehouse_handle.h"
#include "ngx_http_warehouse_kafka.h"
#include "ngx_http_warehouse_message.h"
#include "ngx_http_warehouse_outage.h"
#include "ngx_http_warehouse_pending.h"


typedef struct ngx_http_warehouse_producer_s  ngx_http_warehouse_producer_t;


/* The producers of a worker: the one in service, and those being drained. */

typedef struct {
    ngx_http_warehouse_kafka_t     *kafka;
    ngx_http_warehouse_producer_t  *current;    /* or NULL */
    ngx_queue_t                     retired;
    ngx_msec_t                      retry;      /* no new one before */
    ngx_http_warehouse_outage_t     outage;     /* of Kafka */
    unsigned                        denied:1;   /* by ACLs: it will not pass */
    unsigned                        exited:1;
} ngx_http_warehouse_producers_t;


struct ngx_http_warehouse_producer_s {
    rd_kafka_t                      *rk;
    rd_kafka_topic_t               **topics;
    ngx_uint_t                       ntopics;
    ngx_http_warehouse_events_t      events;
    ngx_http_warehouse_pendings_t    pending;       /* without a report */
    ngx_uint_t                       invented;      /* the event's offsets */
    ngx_http_warehouse_sent_t       *sent;
    ngx_event_t                      clock;         /* of the oldest one */
    ngx_queue_t                      link;          /* among the retired */
    ngx_http_warehouse_producers_t  *producers;
    unsigned                         retired:1;     /* gets no more */
    unsigned                         failed:1;      /* fatally */
    unsigned                         exiting:1;
};


/*
 * Creates a producer; NULL: there is no memory, or producers->outage says why.
 * It is destroyed once it is of no more use and has no message under way.
 *
 * When the oldest message has waited for message.timeout.ms, all that it has are
 * given up; a little before, if it has sent any, others get another one.
 * librdkafka's own timeout of messages is out of reach: after one it gives those
 * that are left new sequence numbers, and what a broker has is written again.
 */
ngx_http_warehouse_producer_t *ngx_http_warehouse_producer_create(
    ngx_http_warehouse_producers_t *producers);

/* See ngx_http_warehouse_produce(). */
ngx_int_t ngx_http_warehouse_producer_send(ngx_http_warehouse_producer_t *p,
    const ngx_http_warehouse_message_t *message,
    ngx_http_warehouse_waiter_t *waiter, ngx_http_warehouse_fate_e *fate);

/*
 * At a worker's exit: takes reports until then (ngx_current_msec), and a moment
 * longer those of messages that it gives up, telling nobody; destroys it.
 */
void ngx_http_warehouse_producer_stop(ngx_http_warehouse_producer_t *p,
    ngx_msec_t until);


#endif /* _NGX_HTTP_WAREHOUSE_PRODUCER_H_INCLUDED_ */
