#include "ngx_http_warehouse_producer.h"
#include "ngx_http_warehouse_reach.h"
#include "ngx_http_warehouse_reaper.h"


#define NGX_HTTP_WAREHOUSE_PURGE  100     /* ms, for the reports of a purge */


static ngx_int_t ngx_http_warehouse_producer_topics(
    ngx_http_warehouse_producer_t *p);
static void ngx_http_warehouse_producer_destroy(
    ngx_http_warehouse_producer_t *p);
static ngx_http_warehouse_fate_e ngx_http_warehouse_producer_refused(
    ngx_http_warehouse_producer_t *p, rd_kafka_topic_t *topic,
    rd_kafka_resp_err_t e);

static void ngx_http_warehouse_producer_report(void *data,
    const rd_kafka_message_t *message, ngx_uint_t first);
static const char *ngx_http_warehouse_producer_why(
    const ngx_http_warehouse_producer_t *p, rd_kafka_resp_err_t e);
static void ngx_http_warehouse_producer_event(void *data,
    rd_kafka_event_t *event);
static void ngx_http_warehouse_producer_error(
    ngx_http_warehouse_producer_t *p, rd_kafka_event_t *event);
static void ngx_http_warehouse_producer_fatal(
    ngx_http_warehouse_producer_t *p);
static void ngx_http_warehouse_producer_idle(void *data);
static void ngx_http_warehouse_producer_clock(ngx_event_t *ev);
static void ngx_http_warehouse_producer_retire(
    ngx_http_warehouse_producer_t *p);
static void ngx_http_warehouse_producer_purge(
    ngx_http_warehouse_producer_t *p);
static void ngx_http_warehouse_producer_drain(
    ngx_http_warehouse_producer_t *p, ngx_msec_t until);


static const ngx_http_warehouse_events_handlers_t
    ngx_http_warehouse_producer_handlers =
{
    ngx_http_warehouse_producer_report,
    ngx_http_warehouse_producer_event,
    ngx_http_warehouse_producer_idle
};


ngx_http_warehouse_producer_t *
ngx_http_warehouse_producer_create(ngx_http_warehouse_producers_t *producers)
{
    char                            text[512];
    ngx_http_warehouse_producer_t  *p;

    p = ngx_calloc(sizeof(ngx_http_warehouse_producer_t), ngx_cycle->log);
    if (p == NULL) {
        return NULL;
    }

    p->producers = producers;
    p->events.handlers = &ngx_http_warehouse_producer_handlers;
    p->events.data = p;

    p->clock.handler = ngx_http_warehouse_producer_clock;
    p->clock.data = p;
    p->clock.log = ngx_cycle->log;
    p->clock.cancelable = 1;

    ngx_http_warehouse_pendings_init(&p->pending);

    p->rk = ngx_http_warehouse_handle(producers->kafka, &p->sent, text,
                                      sizeof(text));
    if (p->rk == NULL) {
        ngx_http_warehouse_outage_begin(&producers->outage, NGX_ERROR, text);
        ngx_free(p);
        return NULL;
    }

    if (rd_kafka_set_log_queue(p->rk, NULL) != RD_KAFKA_RESP_ERR_NO_ERROR
        || ngx_http_warehouse_producer_topics(p) != NGX_OK
        || ngx_http_warehouse_events_open(&p->events, p->rk) != NGX_OK)
    {
        ngx_http_warehouse_outage_begin(&producers->outage, NGX_ERROR,
                                        "a producer cannot be set up");
        ngx_http_warehouse_producer_destroy(p);
        return NULL;
    }

    return p;
}


/* Topics made known at once: the first request need not wait for metadata. */

static ngx_int_t
ngx_http_warehouse_producer_topics(ngx_http_warehouse_producer_t *p)
{
    ngx_str_t   *name;
    ngx_uint_t   i;

    p->topics = ngx_calloc((p->producers->kafka->topics.nelts + 1)
                           * sizeof(rd_kafka_topic_t *), ngx_cycle->log);
    if (p->topics == NULL) {
        return NGX_ERROR;
    }

    name = p->producers->kafka->topics.elts;

    for (i = 0; i < p->producers->kafka->topics.nelts; i++) {

        p->topics[i] = rd_kafka_topic_new(p->rk, (char *) name[i].data, NULL);

        if (p->topics[i] == NULL) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "warehouse: topic \"%V\": %s", &name[i],
                          rd_kafka_err2str(rd_kafka_last_error()));
            return NGX_ERROR;
        }

        p->ntopics++;
    }

    return NGX_OK;
}


static void
ngx_http_warehouse_producer_destroy(ngx_http_warehouse_producer_t *p)
{
    ngx_uint_t  i;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "warehouse: producer %p goes", p);

    if (p->clock.timer_set) {
        ngx_del_timer(&p->clock);
    }

    ngx_http_warehouse_events_close(&p->events);
    ngx_http_warehouse_slot->queue -= p->pending.n;

    for (i = 0; i < p->ntopics; i++) {
        rd_kafka_topic_destroy(p->topics[i]);
    }

    ngx_http_warehouse_reap(p->rk, p->sent);

    if (p->topics != NULL) {
        ngx_free(p->topics);
    }

    ngx_free(p);
}


ngx_int_t
ngx_http_warehouse_producer_send(ngx_http_warehouse_producer_t *p,
    const ngx_http_warehouse_message_t *m, ngx_http_warehouse_waiter_t *waiter,
    ngx_http_warehouse_fate_e *fate)
{
    rd_kafka_resp_err_t            e;
    ngx_http_warehouse_pending_t  *pn;

    pn = ngx_http_warehouse_pending_begin(&p->pending, waiter);
    if (pn == NULL) {
        *fate = NGX_HTTP_WAREHOUSE_NOT_PERSISTED;
        return NGX_ERROR;
    }

    e = ngx_http_warehouse_message_produce(p->rk, p->topics[m->topic], m, pn);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void) ngx_http_warehouse_pending_end(&p->pending, pn);
        *fate = ngx_http_warehouse_producer_refused(p, p->topics[m->topic], e);
        return NGX_ERROR;
    }

    if (!p->clock.timer_set) {
        ngx_http_warehouse_producer_clock(&p->clock);
    }

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "warehouse: producer %p has %ui pending", p, p->pending.n);

    return NGX_OK;
}


/* A message was not taken. */

static ngx_http_warehouse_fate_e
ngx_http_warehouse_producer_refused(ngx_http_warehouse_producer_t *p,
    rd_kafka_topic_t *topic, rd_kafka_resp_err_t e)
{
    ngx_http_warehouse_producers_t  *producers = p->producers;

    if (e == RD_KAFKA_RESP_ERR__FATAL) {
        ngx_http_warehouse_producer_fatal(p);
    }

    if (e != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        ngx_http_warehouse_outage_topic(&producers->outage,
                                        rd_kafka_topic_name(topic),
                                        rd_kafka_err2str(e));
    }

    return ngx_http_warehouse_fate_refused(e, producers->denied);
}


static void
ngx_http_warehouse_producer_report(void *data,
    const rd_kafka_message_t *message, ngx_uint_t first)
{
    ngx_http_warehouse_producer_t *p = data;

    ngx_http_warehouse_waiter_t   *waiter;
    ngx_http_warehouse_report_t    report;

    waiter = ngx_http_warehouse_pending_end(&p->pending, message->_private);

    ngx_http_warehouse_reach_report(message);

    if (first) {
        p->invented = 0;
    }

    report.partition = message->partition;
    report.offset = ngx_http_warehouse_offset(message, &p->invented);

    ngx_log_debug4(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "warehouse: producer %p: report of %D:%L: %s", p,
                   report.partition, report.offset,
                   rd_kafka_err2name(message->err));

    if (waiter == NULL || p->exiting) {
        return;
    }

    report.fate = ngx_http_warehouse_fate(message, p->failed
                                                   && p->producers->denied);

    if (report.fate == NGX_HTTP_WAREHOUSE_PERSISTED) {
        p->producers->denied = 0;
        ngx_http_warehouse_outage_end(&p->producers->outage);

    } else if (report.fate != NGX_HTTP_WAREHOUSE_TOO_LARGE) {
        ngx_http_warehouse_outage_topic(&p->producers->outage,
                                        rd_kafka_topic_name(message->rkt),
                                        ngx_http_warehouse_producer_why(p,
                                                               message->err));
    }

    waiter->handler(waiter->data, &report);
}


/* What was given up was so for its time, unless the producer had failed. */

static const char *
ngx_http_warehouse_producer_why(const ngx_http_warehouse_producer_t *p,
    rd_kafka_resp_err_t e)
{
    if (!p->failed && (e == RD_KAFKA_RESP_ERR__PURGE_QUEUE
                       || e == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT))
    {
        e = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
    }

    return rd_kafka_err2str(e);
}


static void
ngx_http_warehouse_producer_event(void *data, rd_kafka_event_t *event)
{
    ngx_http_warehouse_producer_t *p = data;

    switch (rd_kafka_event_type(event)) {

    case RD_KAFKA_EVENT_ERROR:
        ngx_http_warehouse_count(errors);
        ngx_http_warehouse_producer_error(p, event);
        break;

    case RD_KAFKA_EVENT_STATS:
        ngx_http_warehouse_reach_stats(event);
        break;

    default:
        ngx_http_warehouse_events_log(event, &p->producers->outage);
        break;
    }
}


static void
ngx_http_warehouse_producer_error(ngx_http_warehouse_producer_t *p,
    rd_kafka_event_t *event)
{
    const char                   *text;
    ngx_uint_t                    level;
    rd_kafka_resp_err_t           e;
    ngx_http_warehouse_outage_t  *outage;

    outage = &p->producers->outage;
    e = rd_kafka_event_error(event);
    text = rd_kafka_event_error_string(event);
    level = ngx_http_warehouse_outage_level(outage, NGX_LOG_WARN, 0);

    /* told of by an event of its own, or by the error that led to it */

    if (rd_kafka_fatal_error(p->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ngx_http_warehouse_producer_fatal(p);
        level = NGX_LOG_INFO;

    } else if (p->pending.n != 0
               && (e == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
                   || e == RD_KAFKA_RESP_ERR__AUTHENTICATION
                   || e == RD_KAFKA_RESP_ERR__SSL))
    {
        /* with nobody who waits, nobody would notice when it is over */

        ngx_http_warehouse_outage_begin(outage, e, text);
        level = NGX_LOG_INFO;
    }

    ngx_log_error(level, ngx_cycle->log, 0, "warehouse: kafka: %s: %s",
                  rd_kafka_err2name(e), text);
}


/* The producer is of no more use; a new one may be. */

static void
ngx_http_warehouse_producer_fatal(ngx_http_warehouse_producer_t *p)
{
    char                  text[512];
    rd_kafka_resp_err_t   e;

    if (p->failed || p->exiting) {
        return;
    }

    p->failed = 1;

    if (!p->retired) {
        e = rd_kafka_fatal_error(p->rk, text, sizeof(text));
        p->producers->denied = ngx_http_warehouse_denied(e);
        ngx_http_warehouse_outage_begin(&p->producers->outage, e, text);
        ngx_http_warehouse_producer_retire(p);
    }

    ngx_http_warehouse_producer_purge(p);
}


/* Out of service: once what it still holds is reported it is destroyed. */

static void
ngx_http_warehouse_producer_retire(ngx_http_warehouse_producer_t *p)
{
    if (p->retired || p->exiting) {
        return;
    }

    p->retired = 1;
    p->producers->current = NULL;
    ngx_http_warehouse_count(retired);
    ngx_queue_insert_tail(&p->producers->retired, &p->link);

    ngx_http_warehouse_events_post(&p->events);
}


/* One that has sent nothing goes on: it may be about to reach a broker. */

static void
ngx_http_warehouse_producer_clock(ngx_event_t *ev)
{
    ngx_msec_t                      age, early, next, timeout;
    ngx_http_warehouse_producer_t  *p;

    p = ev->data;

    if (p->pending.n == 0) {
        return;
    }

    age = ngx_http_warehouse_pendings_age(&p->pending);
    timeout = p->producers->kafka->timeout;
    early = timeout - timeout / 10;

    if (age >= early && p->sent->messages) {
        ngx_http_warehouse_producer_retire(p);
    }

    if (age >= timeout) {
        ngx_http_warehouse_producer_purge(p);
        next = NGX_HTTP_WAREHOUSE_PURGE;

    } else {
        next = ((age < early) ? early : timeout) - age;
    }

    ngx_add_timer(ev, next);
}


/* A retired one that has had its last report. */

static void
ngx_http_warehouse_producer_idle(void *data)
{
    ngx_http_warehouse_producer_t *p = data;

    if (p->retired && p->pending.n == 0) {
        ngx_queue_remove(&p->link);
        ngx_http_warehouse_producer_destroy(p);
    }
}


void
ngx_http_warehouse_producer_stop(ngx_http_warehouse_producer_t *p,
    ngx_msec_t until)
{
    p->exiting = 1;

    ngx_http_warehouse_producer_drain(p, until);
    ngx_http_warehouse_producer_purge(p);
    ngx_http_warehouse_producer_drain(p, ngx_current_msec
                                         + NGX_HTTP_WAREHOUSE_PURGE);
    ngx_http_warehouse_producer_destroy(p);
}


static void
ngx_http_warehouse_producer_purge(ngx_http_warehouse_producer_t *p)
{
    (void) rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE
                                 | RD_KAFKA_PURGE_F_INFLIGHT
                                 | RD_KAFKA_PURGE_F_NON_BLOCKING);
}


/* Takes the reports that come until then; in steps of 10 ms at most. */

static void
ngx_http_warehouse_producer_drain(ngx_http_warehouse_producer_t *p,
    ngx_msec_t until)
{
    while (p->pending.n && (ngx_msec_int_t) (until - ngx_current_msec) > 0) {
        (void) ngx_http_warehouse_events_step(&p->events, 10);
        ngx_time_update();
    }
}
