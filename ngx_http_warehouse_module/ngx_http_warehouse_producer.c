#include "ngx_http_warehouse_producer.h"
#include "ngx_http_warehouse_reaper.h"
#include "wh_key.h"

#include <sys/eventfd.h>


#define NGX_HTTP_WAREHOUSE_REPORTS  256     /* replies sent in one go */
#define NGX_HTTP_WAREHOUSE_RETRY    1000    /* ms between two creations */

/* at exit, ms: 1.5 s after SIGTERM the master kills what is left */
#define NGX_HTTP_WAREHOUSE_DRAIN    400     /* for reports */
#define NGX_HTTP_WAREHOUSE_PURGE    100     /* for those of a purge */
#define NGX_HTTP_WAREHOUSE_REAP     500     /* for the handles' threads */


struct ngx_http_warehouse_producer_s {
    rd_kafka_t                      *rk;
    rd_kafka_queue_t                *queue;
    rd_kafka_topic_t               **topics;
    ngx_uint_t                       ntopics;
    ngx_connection_t                *connection;    /* the eventfd's */
    rd_kafka_event_t                *event;         /* begun, or NULL */
    ngx_event_t                      more;          /* work left over */
    ngx_uint_t                       pending;       /* without a report */
    ngx_queue_t                      link;          /* among the retired */
    ngx_http_warehouse_main_conf_t  *wmcf;
    unsigned                         failed:1;      /* fatally */
    unsigned                         exiting:1;
    unsigned                         invented:1;    /* the event's offsets */
};


static ngx_http_warehouse_producer_t *ngx_http_warehouse_producer_create(
    ngx_http_warehouse_main_conf_t *wmcf);
static ngx_int_t ngx_http_warehouse_producer_topics(
    ngx_http_warehouse_producer_t *p);
static ngx_int_t ngx_http_warehouse_producer_listen(
    ngx_http_warehouse_producer_t *p);
static void ngx_http_warehouse_producer_destroy(
    ngx_http_warehouse_producer_t *p);
static rd_kafka_resp_err_t ngx_http_warehouse_producer_send(
    ngx_http_warehouse_producer_t *p, ngx_uint_t topic, ngx_str_t *payload,
    ngx_str_t *key, ngx_str_t *idempotency_key,
    ngx_http_warehouse_pending_t *pn);
static void ngx_http_warehouse_producer_readable(ngx_event_t *ev);
static void ngx_http_warehouse_producer_more(ngx_event_t *ev);
static void ngx_http_warehouse_producer_serve(
    ngx_http_warehouse_producer_t *p);
static ngx_int_t ngx_http_warehouse_producer_step(
    ngx_http_warehouse_producer_t *p, int timeout);
static void ngx_http_warehouse_producer_report(
    ngx_http_warehouse_producer_t *p, const rd_kafka_message_t *message);
static int64_t ngx_http_warehouse_producer_offset(
    ngx_http_warehouse_producer_t *p, const rd_kafka_message_t *message);
static void ngx_http_warehouse_producer_error(
    ngx_http_warehouse_producer_t *p, rd_kafka_event_t *event);
static void ngx_http_warehouse_producer_fatal(
    ngx_http_warehouse_producer_t *p);
static void ngx_http_warehouse_producer_log(
    ngx_http_warehouse_producer_t *p, rd_kafka_event_t *event);
static ngx_uint_t ngx_http_warehouse_producer_denied(rd_kafka_resp_err_t e);
static void ngx_http_warehouse_producer_retire(
    ngx_http_warehouse_producer_t *p);
static void ngx_http_warehouse_producer_drain(
    ngx_http_warehouse_producer_t *p, ngx_msec_t until);


ngx_int_t
ngx_http_warehouse_producer_ready(ngx_http_warehouse_main_conf_t *wmcf)
{
    if (wmcf->producer != NULL) {
        return NGX_OK;
    }

    if ((ngx_msec_int_t) (ngx_current_msec - wmcf->retry) < 0) {
        return NGX_AGAIN;
    }

    /* also where it succeeds: a producer may fail with its first message */

    wmcf->retry = ngx_current_msec + NGX_HTTP_WAREHOUSE_RETRY;
    wmcf->denied = 0;
    wmcf->producer = ngx_http_warehouse_producer_create(wmcf);

    if (wmcf->producer == NULL) {
        return NGX_AGAIN;
    }

    ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                  "warehouse: kafka: a producer was created");

    return NGX_OK;
}


static ngx_http_warehouse_producer_t *
ngx_http_warehouse_producer_create(ngx_http_warehouse_main_conf_t *wmcf)
{
    char                            text[512];
    rd_kafka_conf_t                *kafka;
    ngx_http_warehouse_producer_t  *p;

    p = ngx_calloc(sizeof(ngx_http_warehouse_producer_t), ngx_cycle->log);
    if (p == NULL) {
        return NULL;
    }

    p->wmcf = wmcf;
    kafka = rd_kafka_conf_dup(wmcf->kafka);

    rd_kafka_conf_set_events(kafka, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR
                                    | RD_KAFKA_EVENT_LOG);

    if (rd_kafka_conf_set(kafka, "bootstrap.servers",
                          (char *) wmcf->brokers.data, text, sizeof(text))
        == RD_KAFKA_CONF_OK)
    {
        p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, kafka, text, sizeof(text));
    }

    if (p->rk == NULL) {
        rd_kafka_conf_destroy(kafka);
        ngx_http_warehouse_outage_begin(&wmcf->outage, NGX_ERROR, text);
        ngx_free(p);
        return NULL;
    }

    p->queue = rd_kafka_queue_get_main(p->rk);

    if (rd_kafka_set_log_queue(p->rk, NULL) != RD_KAFKA_RESP_ERR_NO_ERROR
        || ngx_http_warehouse_producer_topics(p) != NGX_OK
        || ngx_http_warehouse_producer_listen(p) != NGX_OK)
    {
        ngx_http_warehouse_outage_begin(&wmcf->outage, NGX_ERROR,
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

    p->topics = ngx_calloc((p->wmcf->topics.nelts + 1)
                           * sizeof(rd_kafka_topic_t *), ngx_cycle->log);
    if (p->topics == NULL) {
        return NGX_ERROR;
    }

    name = p->wmcf->topics.elts;

    for (i = 0; i < p->wmcf->topics.nelts; i++) {

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


static ngx_int_t
ngx_http_warehouse_producer_listen(ngx_http_warehouse_producer_t *p)
{
    int                fd;
    ngx_connection_t  *c;

    static const uint64_t  one = 1;

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

    c->data = p;
    c->read->handler = ngx_http_warehouse_producer_readable;
    c->read->log = ngx_cycle->log;
    c->write->log = ngx_cycle->log;

    /* not a client's connection: nothing to report as left open at exit */
    c->read->channel = 1;
    c->write->channel = 1;

    p->connection = c;

    p->more.handler = ngx_http_warehouse_producer_more;
    p->more.data = p;
    p->more.log = ngx_cycle->log;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_CLEAR_EVENT) != NGX_OK) {
        return NGX_ERROR;
    }

    rd_kafka_queue_io_event_enable(p->queue, fd, &one, sizeof(one));

    /* what came before the line above wrote nothing to the descriptor */
    ngx_post_event(&p->more, &ngx_posted_events);

    return NGX_OK;
}


static void
ngx_http_warehouse_producer_destroy(ngx_http_warehouse_producer_t *p)
{
    ngx_uint_t  i;

    if (p->more.posted) {
        ngx_delete_posted_event(&p->more);
    }

    if (p->event != NULL) {
        rd_kafka_event_destroy(p->event);
    }

    if (p->queue != NULL) {
        rd_kafka_queue_io_event_enable(p->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(p->queue);
    }

    for (i = 0; i < p->ntopics; i++) {
        rd_kafka_topic_destroy(p->topics[i]);
    }

    ngx_http_warehouse_reap(p->rk);

    if (p->connection != NULL) {
        ngx_close_connection(p->connection);
    }

    if (p->topics != NULL) {
        ngx_free(p->topics);
    }

    ngx_free(p);
}


ngx_int_t
ngx_http_warehouse_produce(ngx_http_warehouse_main_conf_t *wmcf,
    ngx_uint_t topic, ngx_str_t *payload, ngx_str_t *key,
    ngx_str_t *idempotency_key, ngx_http_request_t *r,
    ngx_http_warehouse_pending_t **pending)
{
    rd_kafka_resp_err_t             e;
    ngx_http_warehouse_pending_t   *pn;
    ngx_http_warehouse_producer_t  *p;

    if (ngx_http_warehouse_producer_ready(wmcf) != NGX_OK) {
        ngx_http_warehouse_producer_failed(wmcf, "there is no producer");
        return NGX_AGAIN;
    }

    p = wmcf->producer;

    /* not from the request's pool: the report may come after the request */

    pn = ngx_alloc(sizeof(ngx_http_warehouse_pending_t), r->connection->log);
    if (pn == NULL) {
        return NGX_ERROR;
    }

    pn->request = r;
    pn->producer = p;

    e = ngx_http_warehouse_producer_send(p, topic, payload, key,
                                         idempotency_key, pn);

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->pending++;
        *pending = pn;

        return NGX_OK;
    }

    ngx_free(pn);

    switch (e) {

    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        ngx_http_warehouse_producer_failed(wmcf, rd_kafka_err2str(e));
        return NGX_BUSY;

    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return NGX_DECLINED;

    case RD_KAFKA_RESP_ERR__FATAL:
        ngx_http_warehouse_producer_fatal(p);
        ngx_http_warehouse_producer_failed(wmcf, rd_kafka_err2str(e));
        return NGX_AGAIN;

    default:
        ngx_http_warehouse_producer_failed(wmcf, rd_kafka_err2str(e));
        return NGX_ERROR;
    }
}


/* One message; an idempotency key becomes its header. */

static rd_kafka_resp_err_t
ngx_http_warehouse_producer_send(ngx_http_warehouse_producer_t *p,
    ngx_uint_t topic, ngx_str_t *payload, ngx_str_t *key,
    ngx_str_t *idempotency_key, ngx_http_warehouse_pending_t *pn)
{
    rd_kafka_headers_t   *headers;
    rd_kafka_resp_err_t   e;

    headers = NULL;
    e = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (idempotency_key->len != 0) {
        headers = rd_kafka_headers_new(1);
        e = rd_kafka_header_add(headers, WH_KEY_HEADER, -1,
                                idempotency_key->data, idempotency_key->len);
    }

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        e = rd_kafka_producev(p->rk, RD_KAFKA_V_RKT(p->topics[topic]),
                              RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_VALUE(payload->data, payload->len),
                              RD_KAFKA_V_KEY(key->data, key->len),
                              RD_KAFKA_V_HEADERS(headers),
                              RD_KAFKA_V_OPAQUE(pn), RD_KAFKA_V_END);
    }

    /* the headers of a message that was taken belong to it */

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR && headers != NULL) {
        rd_kafka_headers_destroy(headers);
    }

    return e;
}


static void
ngx_http_warehouse_producer_readable(ngx_event_t *ev)
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

    ngx_http_warehouse_producer_serve(c->data);
}


static void
ngx_http_warehouse_producer_more(ngx_event_t *ev)
{
    ngx_http_warehouse_producer_serve(ev->data);
}


static void
ngx_http_warehouse_producer_serve(ngx_http_warehouse_producer_t *p)
{
    ngx_uint_t  n;

    for (n = 0; n < NGX_HTTP_WAREHOUSE_REPORTS; n++) {

        if (ngx_http_warehouse_producer_step(p, 0) == NGX_DONE) {

            if (p->failed && p->pending == 0) {
                ngx_queue_remove(&p->link);
                ngx_http_warehouse_producer_destroy(p);
            }

            return;
        }
    }

    /* others first; the descriptor says nothing about what is left */

    ngx_post_event(&p->more, &ngx_posted_next_events);
}


/*
 * Handles one event, or one message of an event that reports many; waits for
 * one at most timeout ms.  NGX_OK; NGX_DONE: there is none.  What stays in one
 * go is librdkafka's freeing of the messages.
 */

static ngx_int_t
ngx_http_warehouse_producer_step(ngx_http_warehouse_producer_t *p, int timeout)
{
    const rd_kafka_message_t  *message;

    if (p->event == NULL) {
        p->event = rd_kafka_queue_poll(p->queue, timeout);
        p->invented = 0;

        if (p->event == NULL) {
            return NGX_DONE;
        }
    }

    switch (rd_kafka_event_type(p->event)) {

    case RD_KAFKA_EVENT_DR:
        message = rd_kafka_event_message_next(p->event);

        if (message != NULL) {
            ngx_http_warehouse_producer_report(p, message);
            return NGX_OK;
        }

        break;

    case RD_KAFKA_EVENT_ERROR:
        ngx_http_warehouse_producer_error(p, p->event);
        break;

    case RD_KAFKA_EVENT_LOG:
        ngx_http_warehouse_producer_log(p, p->event);
        break;

    default:
        break;
    }

    rd_kafka_event_destroy(p->event);
    p->event = NULL;

    return NGX_OK;
}


static void
ngx_http_warehouse_producer_report(ngx_http_warehouse_producer_t *p,
    const rd_kafka_message_t *message)
{
    int64_t                        offset;
    ngx_http_request_t            *r;
    ngx_http_warehouse_ctx_t      *ctx;
    ngx_http_warehouse_pending_t  *pn;
    ngx_http_warehouse_outcome_e   outcome;

    pn = message->_private;
    r = pn->request;

    ngx_free(pn);
    p->pending--;

    offset = ngx_http_warehouse_producer_offset(p, message);

    if (r == NULL) {
        return;
    }

    if (p->exiting) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);
        ctx->pending = NULL;
        return;
    }

    switch (rd_kafka_message_status(message)) {

    case RD_KAFKA_MSG_STATUS_PERSISTED:
        outcome = NGX_HTTP_WAREHOUSE_PERSISTED;
        break;

    case RD_KAFKA_MSG_STATUS_NOT_PERSISTED:

        if (message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            outcome = NGX_HTTP_WAREHOUSE_TOO_LARGE;

        } else if ((p->failed && p->wmcf->denied)
                   || ngx_http_warehouse_producer_denied(message->err))
        {
            outcome = NGX_HTTP_WAREHOUSE_DENIED;

        } else {
            outcome = NGX_HTTP_WAREHOUSE_NOT_PERSISTED;
        }

        break;

    default:
        outcome = NGX_HTTP_WAREHOUSE_UNKNOWN;
        break;
    }

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR
        && outcome == NGX_HTTP_WAREHOUSE_PERSISTED)
    {
        outcome = NGX_HTTP_WAREHOUSE_UNKNOWN;
    }

    if (outcome == NGX_HTTP_WAREHOUSE_PERSISTED) {
        p->wmcf->denied = 0;
        ngx_http_warehouse_outage_end(&p->wmcf->outage);

    } else if (outcome != NGX_HTTP_WAREHOUSE_TOO_LARGE) {
        ngx_http_warehouse_producer_failed(p->wmcf,
                                           rd_kafka_err2str(message->err));
    }

    ngx_http_warehouse_commands_done(r, outcome, message->partition, offset);
}


/*
 * A request failed.  One reason is enough: what all the requests of an outage
 * meet differs, by how far each has come.
 */

void
ngx_http_warehouse_producer_failed(ngx_http_warehouse_main_conf_t *wmcf,
    const char *why)
{
    ngx_http_warehouse_outage_t  *outage;

    outage = &wmcf->outage;

    ngx_http_warehouse_outage_request(outage, outage->kind,
                                      outage->failing ? NULL : why);
}


/*
 * The message's offset, or -1: brokers that know a batch only as one they have
 * already (DUPLICATE_SEQUENCE_NUMBER) do not say where it is, and librdkafka
 * counts on from -1001: in a large batch up to numbers that look like offsets.
 */

static int64_t
ngx_http_warehouse_producer_offset(ngx_http_warehouse_producer_t *p,
    const rd_kafka_message_t *message)
{
    if (message->offset < 0) {
        p->invented = 1;
    }

    return p->invented ? -1 : message->offset;
}


static void
ngx_http_warehouse_producer_error(ngx_http_warehouse_producer_t *p,
    rd_kafka_event_t *event)
{
    const char                      *text;
    ngx_uint_t                       level;
    rd_kafka_resp_err_t              e;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = p->wmcf;
    e = rd_kafka_event_error(event);
    text = rd_kafka_event_error_string(event);
    level = wmcf->outage.failing ? NGX_LOG_INFO : NGX_LOG_WARN;

    /* told of by an event of its own, or by the error that led to it */

    if (rd_kafka_fatal_error(p->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        ngx_http_warehouse_producer_fatal(p);
        level = NGX_LOG_INFO;

    } else if (p->pending != 0
               && (e == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
                   || e == RD_KAFKA_RESP_ERR__AUTHENTICATION
                   || e == RD_KAFKA_RESP_ERR__SSL))
    {
        /* with nobody who waits, nobody would notice when it is over */

        ngx_http_warehouse_outage_begin(&wmcf->outage, e, text);
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

    if (p->failed) {
        return;
    }

    e = rd_kafka_fatal_error(p->rk, text, sizeof(text));

    p->wmcf->denied = ngx_http_warehouse_producer_denied(e);
    ngx_http_warehouse_outage_begin(&p->wmcf->outage, e, text);
    ngx_http_warehouse_producer_retire(p);
}


/* What librdkafka says of an outage that the log knows of is information. */

static void
ngx_http_warehouse_producer_log(ngx_http_warehouse_producer_t *p,
    rd_kafka_event_t *event)
{
    int          severity;
    ngx_uint_t   level, highest;
    const char  *fac, *text;

    if (rd_kafka_event_log(event, &fac, &text, &severity) == 0) {

        /* nginx counts as syslog does, but from 1 */

        level = (ngx_uint_t) severity + 1;
        highest = p->wmcf->outage.failing ? NGX_LOG_INFO : NGX_LOG_ERR;

        ngx_log_error(ngx_max(level, highest), ngx_cycle->log, 0,
                      "warehouse: kafka: %s: %s", fac, text);
    }
}


/* Whether waiting will not help: somebody has to change the ACLs. */

static ngx_uint_t
ngx_http_warehouse_producer_denied(rd_kafka_resp_err_t e)
{
    return e == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
           || e == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
           || e == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}


/* Out of service: what it still holds is reported, then it is destroyed. */

static void
ngx_http_warehouse_producer_retire(ngx_http_warehouse_producer_t *p)
{
    if (p->failed || p->exiting) {
        return;
    }

    p->failed = 1;
    p->wmcf->producer = NULL;

    ngx_queue_insert_tail(&p->wmcf->retired, &p->link);

    (void) rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE
                                 | RD_KAFKA_PURGE_F_INFLIGHT
                                 | RD_KAFKA_PURGE_F_NON_BLOCKING);

    ngx_post_event(&p->more, &ngx_posted_next_events);
}


void
ngx_http_warehouse_producer_exit(ngx_http_warehouse_main_conf_t *wmcf)
{
    ngx_msec_t                      until;
    ngx_queue_t                    *q;
    ngx_http_warehouse_producer_t  *p;

    /* by the process's end and then by the configuration's */

    if (wmcf->exited) {
        return;
    }

    wmcf->exited = 1;

    if (wmcf->producer != NULL) {
        ngx_queue_insert_tail(&wmcf->retired, &wmcf->producer->link);
        wmcf->producer = NULL;
    }

    ngx_time_update();
    until = ngx_current_msec + NGX_HTTP_WAREHOUSE_DRAIN;

    while (!ngx_queue_empty(&wmcf->retired)) {

        q = ngx_queue_head(&wmcf->retired);
        ngx_queue_remove(q);

        p = ngx_queue_data(q, ngx_http_warehouse_producer_t, link);
        p->exiting = 1;

        ngx_http_warehouse_producer_drain(p, until);

        (void) rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE
                                     | RD_KAFKA_PURGE_F_INFLIGHT
                                     | RD_KAFKA_PURGE_F_NON_BLOCKING);

        ngx_http_warehouse_producer_drain(p, ngx_current_msec
                                             + NGX_HTTP_WAREHOUSE_PURGE);
        ngx_http_warehouse_producer_destroy(p);
    }

    ngx_http_warehouse_reap_wait(NGX_HTTP_WAREHOUSE_REAP);
}


/* Takes the reports that come until then; in steps of 10 ms at most. */

static void
ngx_http_warehouse_producer_drain(ngx_http_warehouse_producer_t *p,
    ngx_msec_t until)
{
    while (p->pending && (ngx_msec_int_t) (until - ngx_current_msec) > 0) {
        (void) ngx_http_warehouse_producer_step(p, 10);
        ngx_time_update();
    }
}
