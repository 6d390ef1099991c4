#include "session/reader.h"
#include "base/clock.h"
#include "base/signal.h"
#include "kafka/headers.h"
#include "kafka/query.h"


#define WH_READER_POLL   200     /* ms */
#define WH_READER_AHEAD  200     /* commands read ahead in one go */
#define WH_READER_WAKE   10000   /* commands: half of the queue */


static void wh_reader_destroy(wh_polled_t *polled);
static int wh_reader_patience(const wh_reader_t *r, int64_t committed);
static int wh_reader_take(wh_reader_t *r, int timeout, int *taken,
    wh_error_t *err);
static int wh_reader_message(wh_reader_t *r, const rd_kafka_message_t *m,
    wh_error_t *err);
static void wh_reader_record(const rd_kafka_message_t *m,
    wh_record_t *record);


int
wh_reader_open(wh_reader_t *r, const wh_conf_t *conf, wh_error_t *err)
{
    int          rc;
    wh_limits_t  limits;

    limits.max = (size_t) conf->batch_size;
    limits.keep = (*conf->rejections_topic != '\0');
    limits.retention = conf->idempotency_retention * 1000;
    limits.keys = conf->idempotency_keys;

    rc = wh_batch_create(&r->now.batch, &limits, err);

    return (rc == WH_OK) ? wh_batch_create(&r->ahead.batch, &limits, err) : rc;
}


void
wh_reader_close(wh_reader_t *r)
{
    wh_reader_destroy(&r->now);
    wh_reader_destroy(&r->ahead);
}


static void
wh_reader_destroy(wh_polled_t *p)
{
    wh_batch_destroy(p->batch);
    wh_positions_free(&p->ends);

    p->batch = NULL;
}


int
wh_reader_poll(wh_reader_t *r, int64_t committed, wh_error_t *err)
{
    int  rc, taken, begun, pause;

    wh_batch_limit(r->now.batch, r->pace->most);
    wh_batch_limit(r->ahead.batch, r->pace->most);

    rc = r->failed;
    *err = r->why;

    do {
        taken = 0;

        if (rc == WH_OK && !wh_batch_full(r->ahead.batch)) {
            pause = wh_reader_patience(r, committed);

            begun = wh_batch_size(r->ahead.batch) > 0;

            rc = wh_reader_take(r, begun ? 0 : pause, &taken, err);

            if (rc == WH_OK && begun && !taken && pause > 0) {
                /* asleep: each message that comes would wake us up */
                wh_wait(pause);
                taken = 1;
            }
        }
    } while (taken);

    return rc;
}


void
wh_reader_next(wh_reader_t *r)
{
    wh_polled_t  done;

    done = r->now;
    r->now = r->ahead;
    r->ahead = done;

    wh_pace_count(r->pace, wh_batch_size(r->now.batch));
    wh_reader_drop(r);
}


int
wh_reader_ahead(wh_reader_t *r)
{
    int  i, taken;

    taken = 1;

    for (i = 0; i < WH_READER_AHEAD && taken; i++) {
        taken = 0;

        if (r->failed == WH_OK && !wh_batch_full(r->ahead.batch)) {
            r->failed = wh_reader_take(r, 0, &taken, &r->why);
        }
    }

    return taken;
}


void
wh_reader_drop(wh_reader_t *r)
{
    wh_batch_clear(r->ahead.batch);
    wh_positions_clear(&r->ahead.ends);
}


/*
 * How long to wait for a command, ms.  One that comes alone does not wait for
 * others, but for the end of the last transaction.
 */

static int
wh_reader_patience(const wh_reader_t *r, int64_t committed)
{
    int64_t  rest;

    if (wh_batch_size(r->ahead.batch) == 0) {
        return (r->ahead.ends.n > 0) ? 0 : WH_READER_POLL;
    }

    rest = committed + wh_pace_pause(r->pace) - wh_clock();

    return (rest > 0) ? (int) rest : 0;
}


/* Takes one message or event, if it comes in time. */

static int
wh_reader_take(wh_reader_t *r, int timeout, int *taken, wh_error_t *err)
{
    int                  rc;
    rd_kafka_message_t  *m;

    if (r->assignment->due) {
        return WH_OK;
    }

    m = rd_kafka_consumer_poll(r->consumer, timeout);
    if (m == NULL) {
        return WH_OK;
    }

    rc = r->assignment->due ? WH_OK : wh_reader_message(r, m, err);
    *taken = !r->assignment->due;

    rd_kafka_message_destroy(m);

    if (*taken && ++r->taken % WH_READER_WAKE == 0) {
        wh_query_wake(r->consumer, r->assignment->list);
    }

    return rc;
}


static int
wh_reader_message(wh_reader_t *r, const rd_kafka_message_t *m, wh_error_t *err)
{
    int64_t      next;
    wh_record_t  record;

    switch (m->err) {

    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        break;

    case RD_KAFKA_RESP_ERR__FATAL:
        return wh_assignment_fatal(r->assignment, err);

    default:
        /* the recovery finds out what there is to tell the operator */
        return wh_error_set(err, WH_AGAIN, "reading commands: %s",
                            rd_kafka_message_errstr(m));
    }

    next = wh_positions_get(&r->assignment->next, m->partition);

    if (r->assignment->metadata == NULL || next == -1) {
        return wh_error_set(err, WH_AGAIN, "a command of a partition that is "
                            "not assigned");
    }

    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return wh_positions_set(&r->ahead.ends, m->partition, m->offset, err);
    }

    if (m->offset < next) {
        return WH_OK;
    }

    wh_reader_record(m, &record);

    return wh_batch_add(r->ahead.batch, &record, err);
}


static void
wh_reader_record(const rd_kafka_message_t *m, wh_record_t *record)
{
    wh_header_t                headers[3];
    rd_kafka_timestamp_type_t  type;

    record->value = m->payload;
    record->len = m->payload ? m->len : 0;
    record->time = rd_kafka_message_timestamp(m, &type);
    record->partition = m->partition;
    record->offset = m->offset;
    record->odd = NULL;

    headers[0].name = WH_KEY_HEADER;
    headers[1].name = WH_TRACE_PARENT;
    headers[2].name = WH_TRACE_STATE;

    if (wh_headers_find(m, headers, 3) != WH_OK) {
        record->odd = "too_many_headers";
        headers[1].n = 0;
    }

    record->key = headers[0].value;
    record->key_len = headers[0].len;

    if (headers[0].n > 1 || (headers[0].n == 1 && record->key == NULL)) {
        /* which is meant?  no key at all is no valid one either */
        record->key = "";
        record->key_len = 0;
    }

    record->traceparent = (headers[1].n == 1) ? headers[1].value : NULL;
    record->traceparent_len = headers[1].len;
    record->tracestate = (headers[2].n == 1) ? headers[2].value : NULL;
    record->tracestate_len = headers[2].len;
}
