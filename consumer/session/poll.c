#include "session/internal.h"
#include "base/signal.h"
#include "kafka/client.h"
#include "kafka/query.h"
#include "session/session.h"


#define WH_SESSION_POLL        200     /* ms */
#define WH_SESSION_AHEAD       200     /* commands read ahead in one go */
#define WH_SESSION_WAKE        10000   /* commands: half of the queue */
#define WH_SESSION_MARKERS     3       /* ms: what writing those takes */
#define WH_SESSION_CALM        2000    /* commands/s: no batch waits for more */
#define WH_SESSION_BUSY        10000   /* commands/s: it waits batch_wait */
#define WH_SESSION_MEAN        100     /* ms that the rate is a mean of */
#define WH_SESSION_HEARTBEATS  2000    /* ms, on top of two heartbeats */


static int wh_session_take(wh_session_t *s, int timeout, int *taken,
    wh_error_t *err);
static int wh_session_patience(const wh_session_t *s);
static void wh_session_rate(wh_session_t *s);
static int64_t wh_session_pause(const wh_session_t *s);
static int wh_session_message(wh_session_t *s, const rd_kafka_message_t *m,
    wh_error_t *err);
static void wh_session_record(const rd_kafka_message_t *m,
    wh_record_t *record);
static int wh_session_fatal(wh_session_t *s, wh_error_t *err);


int
wh_session_poll(wh_session_t *s, size_t most, wh_error_t *err)
{
    int          rc, taken, begun, pause;
    wh_polled_t  done;

    wh_session_release(s);

    /* the other handles' errors and logs */

    (void) rd_kafka_poll(wh_publisher_handle(s->publisher), 0);
    (void) rd_kafka_poll(s->watcher, 0);

    wh_batch_limit(s->now.batch, most);
    wh_batch_limit(s->ahead.batch, most);

    rc = s->failed;
    *err = s->why;

    do {
        taken = 0;

        if (rc == WH_OK && !wh_batch_full(s->ahead.batch)) {
            pause = wh_session_patience(s);

            begun = wh_batch_size(s->ahead.batch) > 0;

            rc = wh_session_take(s, begun ? 0 : pause, &taken, err);

            if (rc == WH_OK && begun && !taken && pause > 0) {
                /* asleep: each message that comes would wake us up */
                wh_wait(pause);
                taken = 1;
            }
        }
    } while (taken);

    if (rc == WH_OK && s->assigned) {
        rc = wh_session_assign(s, err);
    }

    if (rc == WH_OK) {
        rc = wh_session_fatal(s, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_same_file(s->store, err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    done = s->now;
    s->now = s->ahead;
    s->ahead = done;
    s->in_use = s->metadata;

    wh_session_rate(s);
    wh_session_clear(&s->ahead);

    return WH_OK;
}


int
wh_session_poll_ahead(wh_session_t *s)
{
    int  i, taken;

    taken = 1;

    for (i = 0; i < WH_SESSION_AHEAD && taken; i++) {
        taken = 0;

        if (s->failed == WH_OK && !wh_batch_full(s->ahead.batch)) {
            s->failed = wh_session_take(s, 0, &taken, &s->why);
        }
    }

    return taken;
}


/*
 * How long to wait for a command, ms.  One that comes alone does not wait for
 * others, but for the end of the last transaction.
 */

static int
wh_session_patience(const wh_session_t *s)
{
    int64_t  rest;

    if (wh_batch_size(s->ahead.batch) == 0) {
        return (s->ahead.ends.n > 0) ? 0 : WH_SESSION_POLL;
    }

    rest = s->committed + wh_session_pause(s) - wh_clock();

    return (rest > 0) ? (int) rest : 0;
}


/*
 * The pause between two transactions, ms.  One that begins before the brokers
 * have written the markers of the one before is refused, and librdkafka tries
 * again after 20 ms; so a moment is waited for more commands instead.  Where
 * many come it may be longer: each transaction costs the machine as much as
 * some hundred commands.
 */

static int64_t
wh_session_pause(const wh_session_t *s)
{
    double   share;
    int64_t  pause;

    share = (s->rate - WH_SESSION_CALM) / (WH_SESSION_BUSY - WH_SESSION_CALM);
    share = (share < 0) ? 0 : (share > 1) ? 1 : share;

    pause = (int64_t) (share * (double) s->conf->batch_wait);

    return (pause > WH_SESSION_MARKERS) ? pause : WH_SESSION_MARKERS;
}


/* Counts the batch that was put in hand. */

static void
wh_session_rate(wh_session_t *s)
{
    double   ms, rate;
    int64_t  now;

    now = wh_clock();
    ms = (double) (now - s->polled);

    if (s->polled != 0 && ms > 0) {
        rate = (double) wh_batch_size(s->now.batch) * 1000 / ms;
        s->rate += (rate - s->rate) * ms / (ms + WH_SESSION_MEAN);
    }

    s->polled = now;
}


/* Takes one message or event, if it comes in time. */

static int
wh_session_take(wh_session_t *s, int timeout, int *taken, wh_error_t *err)
{
    int                  rc;
    rd_kafka_message_t  *m;

    if (s->assigned) {
        return WH_OK;
    }

    m = rd_kafka_consumer_poll(s->consumer, timeout);
    if (m == NULL) {
        return WH_OK;
    }

    rc = s->assigned ? WH_OK : wh_session_message(s, m, err);
    *taken = !s->assigned;

    rd_kafka_message_destroy(m);

    if (*taken && ++s->taken % WH_SESSION_WAKE == 0) {
        wh_query_wake(s->consumer, s->list);
    }

    return rc;
}


/* The batch in hand is done. */

void
wh_session_release(wh_session_t *s)
{
    if (s->in_use != NULL && s->in_use != s->metadata) {
        rd_kafka_consumer_group_metadata_destroy(s->in_use);
    }

    s->in_use = NULL;
}


static int
wh_session_message(wh_session_t *s, const rd_kafka_message_t *m,
    wh_error_t *err)
{
    int64_t      next;
    wh_record_t  record;

    switch (m->err) {

    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        break;

    case RD_KAFKA_RESP_ERR__FATAL:
        return wh_session_fatal(s, err);

    default:
        /* the recovery finds out what there is to tell the operator */
        return wh_error_set(err, WH_AGAIN, "reading commands: %s",
                            rd_kafka_message_errstr(m));
    }

    next = wh_positions_get(&s->next, m->partition);

    if (s->metadata == NULL || next == -1) {
        return wh_error_set(err, WH_AGAIN, "a command of a partition that is "
                            "not assigned");
    }

    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return wh_positions_set(&s->ahead.ends, m->partition, m->offset, err);
    }

    if (m->offset < next) {
        return WH_OK;
    }

    wh_session_record(m, &record);

    return wh_batch_add(s->ahead.batch, &record, err);
}


static void
wh_session_record(const rd_kafka_message_t *m, wh_record_t *record)
{
    wh_header_t                key;
    rd_kafka_timestamp_type_t  type;

    record->value = m->payload;
    record->len = m->payload ? m->len : 0;
    record->key = NULL;
    record->time = rd_kafka_message_timestamp(m, &type);
    record->partition = m->partition;
    record->offset = m->offset;
    record->odd = NULL;

    key.name = WH_KEY_HEADER;

    if (wh_client_headers(m, &key, 1) != WH_OK) {
        record->odd = "too_many_headers";

    } else if (key.n > 1 || (key.n == 1 && key.value == NULL)) {
        /* which is meant?  no key at all is no valid one either */
        record->key = "";
        record->key_len = 0;

    } else if (key.n == 1) {
        record->key = key.value;
        record->key_len = key.len;
    }
}


static int
wh_session_fatal(wh_session_t *s, wh_error_t *err)
{
    char                 text[512];
    rd_kafka_resp_err_t  e;

    e = rd_kafka_fatal_error(s->consumer, text, sizeof(text));

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return WH_OK;
    }

    return wh_error_set(err, e == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
                        ? WH_FENCED : WH_AGAIN, "consumer: %s", text);
}


int
wh_session_replaced(wh_session_t *s)
{
    int                               fenced;
    int64_t                           end;
    wh_error_t                        err;
    rd_kafka_message_t               *m;
    rd_kafka_topic_partition_list_t  *offsets;

    end = wh_clock() + WH_SESSION_HEARTBEATS
          + 2 * wh_client_number(s->consumer, "heartbeat.interval.ms");

    while (wh_clock() < end && !wh_stopping()) {

        if (wh_session_fatal(s, &err) == WH_FENCED) {

            /*
             * A JoinGroup of our own that came late has the same effect.  But
             * a process fences our producer before it joins.
             */

            offsets = wh_positions_list(&s->next, s->conf->commands_topic);
            fenced = wh_publisher_fenced(s->publisher, offsets);
            rd_kafka_topic_partition_list_destroy(offsets);

            return fenced;
        }

        m = rd_kafka_consumer_poll(s->consumer, WH_SESSION_POLL);

        if (m != NULL) {
            /* of a batch that the next session reads again */
            rd_kafka_message_destroy(m);
        }
    }

    return 0;
}
