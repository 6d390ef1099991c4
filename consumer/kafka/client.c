#define _GNU_SOURCE             /* pthread_timedjoin_np() */

#include "kafka/client.h"
#include "base/log.h"
#include "base/thread.h"
#include "conf/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>


#define WH_CLIENT_CLOSE  5    /* s until a handle is left alone */


#define WH_CLIENT_ALL                                                         \
    (WH_CLIENT_PRODUCER | WH_CLIENT_CONSUMER | WH_CLIENT_READER               \
     | WH_CLIENT_WATCHER)

#define WH_CLIENT_READS                                                       \
    (WH_CLIENT_CONSUMER | WH_CLIENT_READER | WH_CLIENT_WATCHER)


typedef struct {
    unsigned     kinds;
    const char  *name;
    const char  *value;
} wh_client_property_t;


/* What the configuration file may change, and what it may not. */

static const wh_client_property_t  wh_client_defaults[] = {
    { WH_CLIENT_ALL, "client.id", "warehouse-consumer" },
    { WH_CLIENT_ALL, "socket.nagle.disable", "true" },
    { WH_CLIENT_PRODUCER, "transaction.timeout.ms", "10000" },

    /* a transaction right after another waits this long for its markers */
    { WH_CLIENT_PRODUCER, "retry.backoff.ms", "10" },

    { WH_CLIENT_PRODUCER, "queue.buffering.max.messages", "1000000" },
    { WH_CLIENT_READS, "queued.max.messages.kbytes", "16384" },
    { WH_CLIENT_READS, "queued.min.messages", "20000" },
    { WH_CLIENT_READS, "fetch.wait.max.ms", "100" },

    /* partitions that are added must not stay unread for long */
    { WH_CLIENT_CONSUMER, "topic.metadata.refresh.interval.ms", "5000" },
};

static const wh_client_property_t  wh_client_fixed[] = {
    { WH_CLIENT_PRODUCER, "enable.idempotence", "true" },
    { WH_CLIENT_PRODUCER, "acks", "all" },
    { WH_CLIENT_PRODUCER, "partitioner", "murmur2_random" },
    { WH_CLIENT_READS, "enable.auto.commit", "false" },
    { WH_CLIENT_READS, "enable.auto.offset.store", "false" },
    { WH_CLIENT_READS, "auto.offset.reset", "error" },

    /* brokers would give them settings that lose records */
    { WH_CLIENT_ALL, "allow.auto.create.topics", "false" },

    { WH_CLIENT_CONSUMER | WH_CLIENT_READER, "isolation.level",
      "read_committed" },
    { WH_CLIENT_WATCHER, "isolation.level", "read_uncommitted" },
    { WH_CLIENT_CONSUMER | WH_CLIENT_READER, "enable.partition.eof", "true" },

    /* ms: what tells a session without work that brokers are there */
    { WH_CLIENT_CONSUMER, "statistics.interval.ms", "1000" },

    /* 2.0.2 can loop with cooperative-sticky */
    { WH_CLIENT_CONSUMER, "partition.assignment.strategy", "range" },
};


static int wh_client_set(rd_kafka_conf_t *rkconf, const char *name,
    const char *value, wh_error_t *err);
static int wh_client_set_property(rd_kafka_conf_t *rkconf,
    const wh_property_t *p, wh_error_t *err);
static int wh_client_set_table(rd_kafka_conf_t *rkconf, wh_client_kind_t kind,
    const wh_client_property_t *table, size_t n, wh_error_t *err);
static int wh_client_set_all(rd_kafka_conf_t *rkconf, wh_client_kind_t kind,
    const wh_conf_t *conf, int brokers, wh_error_t *err);
static int wh_client_set_identity(rd_kafka_conf_t *rkconf,
    wh_client_kind_t kind, const char *id, wh_error_t *err);
static int wh_client_new(rd_kafka_t **rk, wh_client_kind_t kind,
    const wh_conf_t *conf, const wh_callbacks_t *callbacks, int brokers,
    wh_error_t *err);
static void *wh_client_destroy(void *rk);
static void wh_client_log(const rd_kafka_t *rk, int level, const char *fac,
    const char *text);
static void wh_client_error(rd_kafka_t *rk, int code, const char *reason,
    void *opaque);


int
wh_client_open(rd_kafka_t **rk, wh_client_kind_t kind, const wh_conf_t *conf,
    const wh_callbacks_t *callbacks, wh_error_t *err)
{
    if (wh_client_new(rk, kind, conf, callbacks, 1, err) == WH_OK) {
        return WH_OK;
    }

    /* it was checked at the start: a file is just being replaced */

    return WH_AGAIN;
}


int
wh_client_check(const wh_conf_t *conf, wh_error_t *err)
{
    int          i, rc;
    rd_kafka_t  *rk;

    static const wh_client_kind_t  kinds[] = {
        WH_CLIENT_PRODUCER, WH_CLIENT_CONSUMER
    };

    for (i = 0; i < 2; i++) {
        rc = wh_client_new(&rk, kinds[i], conf, NULL, 0, err);
        if (rc != WH_OK) {
            return rc;
        }

        wh_client_close(rk);
    }

    return WH_OK;
}


static int
wh_client_new(rd_kafka_t **rk, wh_client_kind_t kind, const wh_conf_t *conf,
    const wh_callbacks_t *callbacks, int brokers, wh_error_t *err)
{
    char              text[512];
    rd_kafka_conf_t  *rkconf;

    *rk = NULL;
    rkconf = rd_kafka_conf_new();

    if (wh_client_set_all(rkconf, kind, conf, brokers, err) != WH_OK) {
        rd_kafka_conf_destroy(rkconf);
        return WH_ERROR;
    }

    rd_kafka_conf_set_log_cb(rkconf, wh_client_log);
    rd_kafka_conf_set_error_cb(rkconf, wh_client_error);

    if (callbacks != NULL) {
        rd_kafka_conf_set_opaque(rkconf, callbacks->opaque);

        /* without a callback rd_kafka_flush() would poll in steps of 10 ms */

        if (callbacks->delivered != NULL) {
            rd_kafka_conf_set_dr_msg_cb(rkconf, callbacks->delivered);
        }

        if (callbacks->rebalanced != NULL) {
            rd_kafka_conf_set_rebalance_cb(rkconf, callbacks->rebalanced);
        }

        if (callbacks->failed != NULL) {
            rd_kafka_conf_set_log_cb(rkconf, NULL);
            rd_kafka_conf_set_error_cb(rkconf, callbacks->failed);
        }

        if (callbacks->stats != NULL) {
            rd_kafka_conf_set_stats_cb(rkconf, callbacks->stats);
        }

        if (callbacks->on_new != NULL) {
            (void) rd_kafka_conf_interceptor_add_on_new(rkconf, "warehouse",
                                                        callbacks->on_new,
                                                     callbacks->on_new_opaque);
        }
    }

    *rk = rd_kafka_new(kind == WH_CLIENT_PRODUCER ? RD_KAFKA_PRODUCER
                                                  : RD_KAFKA_CONSUMER,
                       rkconf, text, sizeof(text));

    if (*rk == NULL) {
        rd_kafka_conf_destroy(rkconf);
        return wh_error_set(err, WH_ERROR, "kafka: %s", text);
    }

    if (kind == WH_CLIENT_CONSUMER || kind == WH_CLIENT_READER) {
        (void) rd_kafka_poll_set_consumer(*rk);
    }

    return WH_OK;
}


static int
wh_client_set_all(rd_kafka_conf_t *rkconf, wh_client_kind_t kind,
    const wh_conf_t *conf, int brokers, wh_error_t *err)
{
    size_t                i;
    const wh_property_t  *p;

    if (wh_client_set_table(rkconf, kind, wh_client_defaults,
                            sizeof(wh_client_defaults)
                            / sizeof(wh_client_defaults[0]), err)
        != WH_OK)
    {
        return WH_ERROR;
    }

    /* unknown before 2.2, where wh_query_wake() does what it does */

    if ((unsigned) kind & WH_CLIENT_READS) {
        (void) rd_kafka_conf_set(rkconf, "fetch.queue.backoff.ms", "1", NULL,
                                 0);
    }

    /*
     * From 2.5 to 2.9 rd_kafka_destroy() can miss the signal that pushing
     * metrics has ended, and waits a second for it; unknown before.
     */

    if (rd_kafka_version() < 0x020a0000) {
        (void) rd_kafka_conf_set(rkconf, "enable.metrics.push", "false", NULL,
                                 0);
    }

    for (i = 0; i < conf->nproperties; i++) {
        p = &conf->properties[i];

        if (!brokers && (strcmp(p->name, "bootstrap.servers") == 0
                         || strcmp(p->name, "metadata.broker.list") == 0))
        {
            continue;
        }

        if (wh_client_set_property(rkconf, p, err) != WH_OK) {
            return WH_ERROR;
        }
    }

    if (wh_client_set_table(rkconf, kind, wh_client_fixed,
                            sizeof(wh_client_fixed)
                            / sizeof(wh_client_fixed[0]), err)
        != WH_OK)
    {
        return WH_ERROR;
    }

    return wh_client_set_identity(rkconf, kind, conf->group_id, err);
}


static int
wh_client_set_identity(rd_kafka_conf_t *rkconf, wh_client_kind_t kind,
    const char *id, wh_error_t *err)
{
    if (kind == WH_CLIENT_PRODUCER) {
        return wh_client_set(rkconf, "transactional.id", id, err);
    }

    /*
     * Static membership: a restart takes its place back at once, and a second
     * process of the same name is fenced, not balanced with.
     */

    if (kind == WH_CLIENT_CONSUMER
        && wh_client_set(rkconf, "group.instance.id", id, err) != WH_OK)
    {
        return WH_ERROR;
    }

    return wh_client_set(rkconf, "group.id", id, err);
}


static int
wh_client_set_table(rd_kafka_conf_t *rkconf, wh_client_kind_t kind,
    const wh_client_property_t *table, size_t n, wh_error_t *err)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if ((table[i].kinds & (unsigned) kind)
            && wh_client_set(rkconf, table[i].name, table[i].value, err)
               != WH_OK)
        {
            return WH_ERROR;
        }
    }

    return WH_OK;
}


/* A file is read anew for each handle: what it has may have been replaced. */

static int
wh_client_set_property(rd_kafka_conf_t *rkconf, const wh_property_t *p,
    wh_error_t *err)
{
    int          rc;
    char        *value;
    wh_error_t   why;

    if (!p->file) {
        return wh_client_set(rkconf, p->name, p->value, err);
    }

    if (wh_secret_read(&value, p->value, &why) != WH_OK) {
        return wh_error_set(err, WH_ERROR, "\"kafka.%s_file\": %s", p->name,
                            why.text);
    }

    rc = wh_client_set(rkconf, p->name, value, err);
    wh_secret_free(value);

    return rc;
}


static int
wh_client_set(rd_kafka_conf_t *rkconf, const char *name, const char *value,
    wh_error_t *err)
{
    char  text[512];

    if (rd_kafka_conf_set(rkconf, name, value, text, sizeof(text))
        != RD_KAFKA_CONF_OK)
    {
        return wh_error_set(err, WH_ERROR, "\"kafka.%s\": %s", name, text);
    }

    return WH_OK;
}


/*
 * Before 2.6.1 librdkafka waits for ever where a partition that is consumed has
 * gone with its topic.  What is left then is a thread that only waits.
 */

void
wh_client_close(rd_kafka_t *rk)
{
    pthread_t        thread;
    wh_error_t       err;
    struct timespec  until;

    if (rk == NULL) {
        return;
    }

    if (rd_kafka_version() >= 0x020601ff
        || rd_kafka_type(rk) != RD_KAFKA_CONSUMER
        || wh_thread_start(&thread, wh_client_destroy, rk, &err) != WH_OK)
    {
        (void) wh_client_destroy(rk);
        return;
    }

    (void) clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WH_CLIENT_CLOSE;

    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        wh_log(WH_LOG_WARN, "kafka: a consumer does not end: going on without "
               "waiting for it");
        (void) pthread_detach(thread);
    }
}


static void *
wh_client_destroy(void *rk)
{
    /* a static member does not leave its group, so nothing to wait for */

    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);

    return NULL;
}


static void
wh_client_log(const rd_kafka_t *rk, int level, const char *fac,
    const char *text)
{
    wh_log_level_t  l;

    (void) rk;

    /* each handle is told of all kafka.* properties, of other kinds too */

    if (strcmp(fac, "CONFWARN") == 0) {
        return;
    }

    l = (level <= LOG_ERR) ? WH_LOG_ERROR
        : (level == LOG_WARNING) ? WH_LOG_WARN
        : (level == LOG_NOTICE) ? WH_LOG_NOTICE : WH_LOG_INFO;

    wh_log(l, "kafka: %s: %s", fac, text);
}


/* Most of these the library mends by itself, and logs too. */

static void
wh_client_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    char  text[512];

    (void) opaque;

    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        (void) rd_kafka_fatal_error(rk, text, sizeof(text));
        wh_log(WH_LOG_ERROR, "kafka: fatal: %s", text);

    } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        wh_log(WH_LOG_WARN, "kafka: no broker can be reached: %s", reason);
    }
}


int64_t
wh_client_number(rd_kafka_t *rk, const char *name)
{
    char    text[32];
    size_t  size;

    size = sizeof(text);

    /* names are constants of ours, and librdkafka has a value for each */

    if (rd_kafka_conf_get(rd_kafka_conf(rk), name, text, &size)
        != RD_KAFKA_CONF_OK)
    {
        return 0;
    }

    return strtoll(text, NULL, 10);
}
