#include "ngx_http_warehouse_events.h"

#include <sys/eventfd.h>


#define NGX_HTTP_WAREHOUSE_REPORTS  256     /* handled in one go */


static void ngx_http_warehouse_events_readable(ngx_event_t *ev);
static void ngx_http_warehouse_events_more(ngx_event_t *ev);
static void ngx_http_warehouse_events_serve(
    ngx_http_warehouse_events_t *events);


ngx_int_t
ngx_http_warehouse_events_open(ngx_http_warehouse_events_t *events,
    rd_kafka_t *rk)
{
    int                fd;
    ngx_connection_t  *c;

    static const uint64_t  one = 1;

    events->queue = rd_kafka_queue_get_main(rk);

    fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_errno,
                      "eventfd() failed");
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, ngx_cycle->log);

    if (c == NULL) {
        (void) close(fd);
        return NGX_ERROR;
    }

    c->data = events;
    c->read->handler = ngx_http_warehouse_events_readable;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;

    /* not a client's connection: nothing to report as left open at exit */
    c->read->channel = 1;
    c->write->channel = 1;

    events->connection = c;

    events->more.handler = ngx_http_warehouse_events_more;
    events->more.data = events;
    events->more.log = ngx_cycle->log;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) != NGX_OK) {
        return NGX_ERROR;
    }

    rd_kafka_queue_io_event_enable(events->queue, fd, &one, sizeof(one));

    /* what came before the line above wrote nothing to the descriptor */
    ngx_post_event(&events->more, &ngx_posted_events);

    return NGX_OK;
}


void
ngx_http_warehouse_events_close(ngx_http_warehouse_events_t *events)
{
    if (events->more.posted) {
        ngx_delete_posted_event(&events->more);
    }

    if (events->event != NULL) {
        rd_kafka_event_destroy(events->event);
        events->event = NULL;
    }

    if (events->queue != NULL) {
        rd_kafka_queue_io_event_enable(events->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(events->queue);
        events->queue = NULL;
    }

    if (events->connection != NULL) {
        ngx_close_connection(events->connection);
        events->connection = NULL;
    }
}


void
ngx_http_warehouse_events_post(ngx_http_warehouse_events_t *events)
{
    ngx_post_event(&events->more, &ngx_posted_next_events);
}


static void
ngx_http_warehouse_events_readable(ngx_event_t *ev)
{
    ssize_t            n;
    uint64_t           count;
    ngx_connection_t  *c;

    c = ev->data;

    /* first the descriptor, then the queue: no wake-up can be missed */

    do {
        n = read(c->fd, &count, sizeof(count));
    } while (n == -1 && ngx_errno == NGX_EINTR);

    if (n == -1 && ngx_errno != NGX_EAGAIN) {
        ngx_log_error(NGX_LOG_ALERT, ev->log, ngx_errno,
                      "reading an eventfd failed");
    }

    ngx_http_warehouse_events_serve(c->data);
}


static void
ngx_http_warehouse_events_more(ngx_event_t *ev)
{
    ngx_http_warehouse_events_serve(ev->data);
}


static void
ngx_http_warehouse_events_serve(ngx_http_warehouse_events_t *events)
{
    ngx_uint_t  n;

    for (n = 0; n < NGX_HTTP_WAREHOUSE_REPORTS; n++) {

        if (ngx_http_warehouse_events_step(events, 0) == NGX_DONE) {
            events->handlers->idle(events->data);
            return;
        }
    }

    /* others first; the descriptor says nothing about what is left */

    ngx_http_warehouse_events_post(events);
}


/* What stays in one go is librdkafka's freeing of the messages. */

ngx_int_t
ngx_http_warehouse_events_step(ngx_http_warehouse_events_t *events,
    int timeout)
{
    ngx_uint_t                 first;
    rd_kafka_event_t          *event;
    const rd_kafka_message_t  *message;

    if (events->event == NULL) {
        events->event = rd_kafka_queue_poll(events->queue, timeout);
        events->first = 1;

        if (events->event == NULL) {
            return NGX_DONE;
        }
    }

    event = events->event;

    switch (rd_kafka_event_type(event)) {

    case RD_KAFKA_EVENT_DR:
        message = rd_kafka_event_message_next(event);

        if (message != NULL) {
            first = events->first;
            events->first = 0;

            events->handlers->report(events->data, message, first);
            return NGX_OK;
        }

        break;

    case RD_KAFKA_EVENT_ERROR:
    case RD_KAFKA_EVENT_LOG:
    case RD_KAFKA_EVENT_STATS:
        events->handlers->event(events->data, event);
        break;

    default:
        break;
    }

    rd_kafka_event_destroy(event);
    events->event = NULL;

    return NGX_OK;
}


void
ngx_http_warehouse_events_log(rd_kafka_event_t *event,
    ngx_http_warehouse_outage_t *outage)
{
    int          severity;
    ngx_uint_t   level;
    const char  *fac, *text;

    if (rd_kafka_event_log(event, &fac, &text, &severity) == 0) {

        /* nginx counts from 1 */
        level = ngx_max((ngx_uint_t) severity + 1, NGX_LOG_ERR);

        level = ngx_http_warehouse_outage_level(outage, level,
                                                ngx_strcmp(fac, "FAIL") == 0);

        ngx_log_error(level, ngx_cycle->log, 0, "warehouse: kafka: %s: %s",
                      fac, text);
    }
}
