#include "wh_follow.h"
#include "wh_batch.h"
#include "wh_client.h"
#include "wh_command.h"
#include "wh_fail.h"
#include "wh_items.h"
#include "wh_log.h"
#include "wh_signal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>


#define WH_FOLLOW_CHUNK    30000   /* notifications in one transaction */
#define WH_FOLLOW_POLL     200     /* ms */
#define WH_FOLLOW_SAY      15      /* polls without a message: 3 s */
#define WH_FOLLOW_SILENCE  300     /* polls without a message: a minute */


typedef struct {
    const wh_conf_t                  *conf;
    wh_store_t                       *store;
    rd_kafka_t                       *rk;
    rd_kafka_topic_partition_list_t  *partition;  /* of notifications */
    int64_t                           stored;     /* its position as stored */
    int64_t                           next;       /* and as read */
    int64_t                           high;

    /* not yet written: */
    wh_items_t                       *items;
    rd_kafka_topic_partition_list_t  *sources;    /* offsets behind those */
    size_t                            pending;    /* notifications */
    int                               open;       /* a transaction is */

    uint64_t                          read;
    uint64_t                          applied;
} wh_follow_t;


static int wh_follow_to_end(wh_follow_t *f, wh_error_t *err);
static int wh_follow_assign(wh_follow_t *f, wh_error_t *err);
static int wh_follow_read(wh_follow_t *f, wh_error_t *err);
static int wh_follow_message(wh_follow_t *f, const rd_kafka_message_t *m,
    wh_error_t *err);
static int wh_follow_apply(wh_follow_t *f, const wh_notification_t *n,
    wh_error_t *err);
static int wh_follow_key(wh_follow_t *f, const wh_notification_t *n,
    const rd_kafka_message_t *m, wh_error_t *err);
static int64_t wh_follow_time(const rd_kafka_message_t *m);
static void wh_follow_source(wh_follow_t *f, const wh_notification_t *n);
static int wh_follow_sources(wh_follow_t *f, wh_error_t *err);
static int wh_follow_begin(wh_follow_t *f, wh_error_t *err);
static int wh_follow_commit(wh_follow_t *f, wh_error_t *err);


int
wh_follow(wh_store_t *store, const wh_conf_t *conf, int64_t high,
    wh_error_t *err)
{
    int          rc;
    wh_follow_t  f;

    memset(&f, 0, sizeof(f));

    f.conf = conf;
    f.store = store;
    f.high = high;

    f.partition = rd_kafka_topic_partition_list_new(1);
    f.sources = rd_kafka_topic_partition_list_new(1);

    rc = wh_items_create(&f.items, WH_FOLLOW_CHUNK, err);

    if (rc == WH_OK) {
        rc = wh_store_get_position(store, conf->notifications_topic, 0,
                                   &f.stored, err);
    }

    if (rc == WH_OK) {
        rc = wh_follow_to_end(&f, err);
    }

    if (rc != WH_OK) {
        wh_store_rollback(store);
    }

    wh_items_destroy(f.items);
    rd_kafka_topic_partition_list_destroy(f.sources);
    rd_kafka_topic_partition_list_destroy(f.partition);

    if (rc == WH_OK && f.read > 0) {
        wh_log(WH_LOG_NOTICE, "%" PRIu64 " notifications read, %" PRIu64
               " applied to the database", f.read, f.applied);
    }

    return rc;
}


static int
wh_follow_to_end(wh_follow_t *f, wh_error_t *err)
{
    int  rc;

    rc = WH_OK;
    f->next = (f->stored == -1) ? 0 : f->stored;

    if (f->next < f->high) {
        wh_log(WH_LOG_NOTICE, "reading notifications %" PRId64 " to %" PRId64,
               f->next, f->high);

        rc = wh_client_open(&f->rk, WH_CLIENT_READER, f->conf, NULL, err);

        if (rc == WH_OK) {
            rc = wh_follow_assign(f, err);
        }

        if (rc == WH_OK) {
            rc = wh_follow_read(f, err);
        }

        wh_client_close(f->rk);
    }

    if (rc == WH_OK && f->next != f->stored) {
        rc = wh_follow_begin(f, err);

        if (rc == WH_OK) {
            rc = wh_follow_commit(f, err);
        }
    }

    return rc;
}


static int
wh_follow_assign(wh_follow_t *f, wh_error_t *err)
{
    rd_kafka_resp_err_t  e;

    rd_kafka_topic_partition_list_add(f->partition,
                                      f->conf->notifications_topic, 0)
        ->offset = f->next;

    e = rd_kafka_assign(f->rk, f->partition);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "assigning notifications: %s",
                            rd_kafka_err2str(e));
    }

    return WH_OK;
}


/*
 * Reads until f->high.  An open transaction of somebody else holds readers
 * back below it: then this waits until that one ends.
 */

static int
wh_follow_read(wh_follow_t *f, wh_error_t *err)
{
    int                  rc, silence;
    rd_kafka_message_t  *m;

    silence = 0;

    while (f->next < f->high) {

        if (wh_stopping()) {
            return wh_error_set(err, WH_AGAIN, "asked to stop");
        }

        m = rd_kafka_consumer_poll(f->rk, WH_FOLLOW_POLL);

        if (m == NULL) {
            wh_signal_serve();

            if (++silence == WH_FOLLOW_SAY) {
                wh_log(WH_LOG_NOTICE, "waiting for notifications %" PRId64
                       " to %" PRId64 ": brokers away, or somebody's "
                       "transaction is open", f->next, f->high);
            }

            if (silence == WH_FOLLOW_SILENCE) {
                return wh_error_set(err, WH_AGAIN, "notifications %" PRId64
                                    " to %" PRId64 " do not come: brokers "
                                    "away, or a transaction is open",
                                    f->next, f->high);
            }

            continue;
        }

        silence = 0;
        rc = wh_follow_message(f, m, err);
        rd_kafka_message_destroy(m);

        if (rc == WH_OK && f->pending == WH_FOLLOW_CHUNK) {
            wh_client_wake(f->rk, f->partition);
            rc = wh_follow_commit(f, err);
        }

        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}


static int
wh_follow_message(wh_follow_t *f, const rd_kafka_message_t *m, wh_error_t *err)
{
    int                rc;
    wh_error_t         why;
    wh_notification_t  n;

    switch (m->err) {

    case RD_KAFKA_RESP_ERR_NO_ERROR:
        break;

    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        /* behind control and aborted records, which are not shown to us */
        if (m->offset > f->next) {
            f->next = m->offset;
        }
        return WH_OK;

    default:
        return wh_error_set(err, WH_AGAIN, "reading notifications: %s",
                            rd_kafka_message_errstr(m));
    }

    rc = wh_follow_begin(f, err);
    if (rc != WH_OK) {
        return rc;
    }

    f->next = m->offset + 1;
    f->pending++;
    f->read++;

    rc = wh_notification_decode(m->payload ? m->payload : "", m->len, &n,
                                &why);

    if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "%s", why.text);
    }

    if (rc != WH_OK) {
        wh_log(WH_LOG_WARN, "%s:0:%" PRId64 " is not a notification and is "
               "passed over: %s", f->conf->notifications_topic, m->offset,
               why.text);
        return WH_OK;
    }

    rc = wh_follow_apply(f, &n, err);

    if (rc == WH_OK) {
        rc = wh_follow_key(f, &n, m, err);
    }

    wh_follow_source(f, &n);

    return wh_fail(rc, "notification_applied", err);
}


static int
wh_follow_apply(wh_follow_t *f, const wh_notification_t *n, wh_error_t *err)
{
    int                  rc;
    wh_item_t           *item;
    const wh_command_t  *c;

    c = &n->command;

    rc = wh_items_get(f->items, f->store, c->sku, c->sku_len, &item, err);

    if (rc != WH_OK || n->version < item->version) {
        return rc;
    }

    if (n->version == item->version) {

        if (n->stock == item->qty) {
            return WH_OK;
        }

        return wh_error_set(err, WH_ERROR, "item \"%s\" version %" PRId64
                            " has stock %" PRId64 " in the database and %"
                            PRId64 " in notifications: the database was "
                            "changed by hand, or two owners wrote; move the "
                            "database away to have it rebuilt from Kafka",
                            c->sku, item->version, item->qty, n->stock);
    }

    item->qty = n->stock;
    item->version = n->version;
    f->applied++;

    return WH_OK;
}


/*
 * A key that was used is learned even where the item is newer: somebody else
 * may have changed that.
 */

static int
wh_follow_key(wh_follow_t *f, const wh_notification_t *n,
    const rd_kafka_message_t *m, wh_error_t *err)
{
    size_t       len;
    wh_key_t     key;
    wh_use_t     use;
    const char  *value;

    if (wh_client_header(m, WH_KEY_HEADER, &value, &len) != 1
        || value == NULL || wh_key_set(&key, value, len, NULL) != WH_OK)
    {
        return WH_OK;
    }

    wh_use(&use, &n->command, wh_follow_time(m), n->partition, n->offset);

    return wh_store_put_key(f->store, n->command.sku, n->command.sku_len,
                            key.text, &use,
                            f->conf->idempotency_retention * 1000,
                            f->conf->idempotency_keys, err);
}


/* When the command was written; for want of that, its notification. */

static int64_t
wh_follow_time(const rd_kafka_message_t *m)
{
    char                       text[32], *end;
    size_t                     len;
    int64_t                    time;
    const char                *value;
    rd_kafka_timestamp_type_t  type;

    if (wh_client_header(m, WH_NOTIFICATION_TIME, &value, &len) == 1
        && value != NULL && len > 0 && len < sizeof(text))
    {
        memcpy(text, value, len);
        text[len] = '\0';
        time = strtoll(text, &end, 10);

        if (*end == '\0' && time >= 0 && time <= WH_QTY_MAX) {
            return time;
        }
    }

    return rd_kafka_message_timestamp(m, &type);
}


/* The command that a notification came from is processed. */

static void
wh_follow_source(wh_follow_t *f, const wh_notification_t *n)
{
    rd_kafka_topic_partition_t  *source;

    if (strcmp(n->topic, f->conf->commands_topic) != 0) {
        return;
    }

    source = rd_kafka_topic_partition_list_find(f->sources, n->topic,
                                                n->partition);
    if (source == NULL) {
        source = rd_kafka_topic_partition_list_add(f->sources, n->topic,
                                                   n->partition);
    }

    if (source->offset <= n->offset) {
        source->offset = n->offset + 1;
    }
}


static int
wh_follow_begin(wh_follow_t *f, wh_error_t *err)
{
    int  rc;

    if (f->open) {
        return WH_OK;
    }

    rc = wh_store_begin(f->store, err);
    f->open = (rc == WH_OK);

    return rc;
}


static int
wh_follow_commit(wh_follow_t *f, wh_error_t *err)
{
    int  rc;

    rc = wh_items_write(f->items, f->store, err);

    if (rc == WH_OK) {
        rc = wh_follow_sources(f, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_move_position(f->store, f->conf->notifications_topic, 0,
                                    f->stored, f->next, err);
    }

    if (rc == WH_OK && f->next < f->high) {
        /* readers would see a state between two batches */
        rc = wh_store_set_meta(f->store, "state", "recovering", err);
    }

    rc = wh_fail(rc, "follow_written", err);

    if (rc == WH_OK) {
        rc = wh_store_commit(f->store, err);
        rc = wh_fail(rc, "follow_committed", err);
    }

    if (rc != WH_OK) {
        return rc;
    }

    wh_items_clear(f->items);

    f->open = 0;
    f->pending = 0;
    f->stored = f->next;

    wh_store_checkpoint(f->store);

    return WH_OK;
}


static int
wh_follow_sources(wh_follow_t *f, wh_error_t *err)
{
    int                                rc;
    int64_t                            stored;
    const rd_kafka_topic_partition_t  *source;

    while (f->sources->cnt > 0) {

        source = &f->sources->elems[f->sources->cnt - 1];

        rc = wh_store_get_position(f->store, source->topic, source->partition,
                                   &stored, err);

        if (rc == WH_OK && stored < source->offset) {
            rc = wh_store_move_position(f->store, source->topic,
                                        source->partition, stored,
                                        source->offset, err);
        }

        if (rc != WH_OK) {
            return rc;
        }

        (void) rd_kafka_topic_partition_list_del_by_idx(f->sources,
                                                      f->sources->cnt - 1);
    }

    return WH_OK;
}
