#include "wh_topics.h"
#include "wh_log.h"
#include "wh_query.h"
#include "wh_signal.h"

#include <inttypes.h>
#include <stdio.h>


#define WH_TOPICS_TIMEOUT  10000     /* ms for a new topic to be there */
#define WH_TOPICS_LOOK     50        /* ms between two looks */

/* two days: longer than keys are remembered by default, and an outage */
#define WH_TOPICS_LAG      INT64_C(172800000)

/* thirty days: longer than any outage */
#define WH_TOPICS_KEPT     "2592000000"


static int wh_topics_find(const wh_conf_t *conf, rd_kafka_t *admin,
    rd_kafka_t *watcher, const char *topic, int *partitions, wh_error_t *err);
static int wh_topics_create(const wh_conf_t *conf, rd_kafka_t *admin,
    rd_kafka_t *watcher, const char *topic, wh_error_t *err);
static int wh_topics_commands(const wh_conf_t *conf, rd_kafka_t *admin,
    int aloud, wh_error_t *err);
static int wh_topics_notifications(const wh_conf_t *conf, rd_kafka_t *admin,
    int aloud, wh_error_t *err);


int
wh_topics_check(const wh_conf_t *conf, rd_kafka_t *admin, rd_kafka_t *watcher,
    int aloud, int *partitions, wh_error_t *err)
{
    int  n, rc;

    rc = wh_topics_find(conf, admin, watcher, conf->notifications_topic, &n,
                        err);

    if (rc == WH_OK && n != 1) {
        rc = wh_error_set(err, WH_ERROR, "topic \"%s\" has %d partitions, it "
                          "must have one", conf->notifications_topic, n);
    }

    if (rc == WH_OK && *conf->rejections_topic != '\0') {
        rc = wh_topics_find(conf, admin, watcher, conf->rejections_topic, &n,
                            err);
    }

    if (rc == WH_OK) {
        rc = wh_topics_find(conf, admin, watcher, conf->commands_topic,
                            partitions, err);
    }

    if (rc == WH_OK) {
        rc = wh_topics_commands(conf, admin, aloud, err);
    }

    if (rc == WH_OK) {
        rc = wh_topics_notifications(conf, admin, aloud, err);
    }

    return rc;
}


static int
wh_topics_find(const wh_conf_t *conf, rd_kafka_t *admin, rd_kafka_t *watcher,
    const char *topic, int *partitions, wh_error_t *err)
{
    int  rc;

    rc = wh_query_partitions(watcher, topic, partitions, err);

    if (rc != WH_NONE) {
        return rc;
    }

    if (!conf->create_topics) {
        return WH_AGAIN;
    }

    rc = wh_topics_create(conf, admin, watcher, topic, err);

    return (rc == WH_OK) ? wh_query_partitions(watcher, topic, partitions, err)
                         : rc;
}


/* Returns when its partition has a leader, or after a time. */

static int
wh_topics_create(const wh_conf_t *conf, rd_kafka_t *admin, rd_kafka_t *watcher,
    const char *topic, wh_error_t *err)
{
    int      rc;
    char     lag[32];
    int64_t  end, low, high, ms;

    const wh_topic_setting_t  commands[] = {
        { "cleanup.policy", "delete" },
        { "retention.ms", WH_TOPICS_KEPT },
        { NULL, NULL }
    };

    /* the last notification of each sku is a full copy of the stock */

    const wh_topic_setting_t  notifications[] = {
        { "cleanup.policy", "compact" },
        { "min.compaction.lag.ms", lag },
        { NULL, NULL }
    };

    const wh_topic_setting_t  rejections[] = {
        { "cleanup.policy", "delete" },
        { NULL, NULL }
    };

    /* with their notifications the uses of keys would be forgotten */

    ms = 2 * conf->idempotency_retention * 1000;
    (void) snprintf(lag, sizeof(lag), "%" PRId64,
                    ms > WH_TOPICS_LAG ? ms : WH_TOPICS_LAG);

    rc = wh_query_create(admin, topic,
                         topic == conf->commands_topic ? commands
                         : topic == conf->notifications_topic ? notifications
                         : rejections, err);
    if (rc != WH_OK) {
        return rc;
    }

    wh_log(WH_LOG_NOTICE, "created topic \"%s\"", topic);

    end = wh_clock() + WH_TOPICS_TIMEOUT;

    do {
        wh_wait(WH_TOPICS_LOOK);
        rc = wh_query_watermarks(watcher, topic, 0, &low, &high, err);
    } while (rc != WH_OK && wh_clock() < end && !wh_stopping());

    return rc;
}


static int
wh_topics_commands(const wh_conf_t *conf, rd_kafka_t *admin, int aloud,
    wh_error_t *err)
{
    int                rc;
    const char        *topic;
    wh_topic_policy_t  policy;

    topic = conf->commands_topic;

    rc = wh_query_policy(admin, topic, &policy, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (policy.compact) {
        return wh_error_set(err, WH_ERROR, "topic \"%s\" is compacted: "
                            "compaction deletes commands; set its "
                            "cleanup.policy to delete", topic);
    }

    if (!policy.known && aloud) {
        wh_log(WH_LOG_WARN, "the brokers do not say whether topic \"%s\" is "
               "compacted, which it must not be", topic);
    }

    return WH_OK;
}


static int
wh_topics_notifications(const wh_conf_t *conf, rd_kafka_t *admin, int aloud,
    wh_error_t *err)
{
    int                rc;
    const char        *topic;
    wh_topic_policy_t  policy;

    topic = conf->notifications_topic;

    rc = wh_query_policy(admin, topic, &policy, err);

    if (rc != WH_OK || !aloud || !policy.known) {
        return rc;
    }

    if (policy.deletes && policy.retention >= 0) {
        wh_log(WH_LOG_WARN, "topic \"%s\" deletes records after a retention of "
               "%" PRId64 " ms: a lost database cannot be rebuilt from it then "
               "without a backup; its cleanup.policy should be compact", topic,
               policy.retention);
    }

    if (policy.compact && policy.lag < conf->idempotency_retention * 1000) {
        wh_log(WH_LOG_WARN, "topic \"%s\" has a min.compaction.lag.ms of %"
               PRId64 ", shorter than idempotency_retention: a rebuilt database "
               "may not know all keys", topic, policy.lag);
    }

    return WH_OK;
}
