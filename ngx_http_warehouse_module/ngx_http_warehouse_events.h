/*
 * librdkafka's events in nginx's event loop: its queue writes to an eventfd,
 * and what is in the queue is handled a bounded number at a time.
 */

#ifndef _NGX_HTTP_WAREHOUSE_EVENTS_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_EVENTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <librdkafka/rdkafka.h>

#include "ngx_http_warehouse_outage.h"


/* Called with the owner's data. */

typedef struct {

    /* one delivery report; first: of its event */
    void  (*report)(void *data, const rd_kafka_message_t *message,
                    ngx_uint_t first);

    /* an error, a log line, statistics */
    void  (*event)(void *data, rd_kafka_event_t *event);

    /* the queue is empty; ngx_http_warehouse_events_close() may come */
    void  (*idle)(void *data);
} ngx_http_warehouse_events_handlers_t;


typedef struct {
    const ngx_http_warehouse_events_handlers_t  *handlers;
    void                                        *data;
    rd_kafka_queue_t                            *queue;
    ngx_connection_t                            *connection;    /* eventfd's */
    rd_kafka_event_t                            *event;    /* begun, or NULL */
    ngx_event_t                                  more;     /* work left over */
    unsigned                                     first:1;
} ngx_http_warehouse_events_t;


/*
 * Listens to the main queue of rk; handlers and data are the caller's to set,
 * the rest is zeroed.  NGX_OK, NGX_ERROR; ngx_http_warehouse_events_close() is
 * due in both cases.
 */
ngx_int_t ngx_http_warehouse_events_open(ngx_http_warehouse_events_t *events,
    rd_kafka_t *rk);
void ngx_http_warehouse_events_close(ngx_http_warehouse_events_t *events);

/* Has the queue looked at soon, as if something had come. */
void ngx_http_warehouse_events_post(ngx_http_warehouse_events_t *events);

/*
 * Handles one event, or one message of an event that reports many; waits for
 * one at most timeout ms.  NGX_OK; NGX_DONE: there is none.
 */
ngx_int_t ngx_http_warehouse_events_step(ngx_http_warehouse_events_t *events,
    int timeout);

/*
 * Logs what an event of librdkafka's log says: in an outage it repeats what the
 * log knows, but for why a broker is down.
 */
void ngx_http_warehouse_events_log(rd_kafka_event_t *event,
    ngx_http_warehouse_outage_t *outage);


#endif /* _NGX_HTTP_WAREHOUSE_EVENTS_H_INCLUDED_ */
