#include "follow/topics.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/signal.h"
#include "base/watchdog.h"
#include "kafka/query.h"
#include "kafka/topic.h"

#include <inttypes.h>
#include <stdio.h>


#define WH_TOPICS_TIMEOUT  10000     /* ms for a new topic to be there */
#define WH_TOPICS_LOOK     50        /* ms between two looks */

/* two days: longer than keys are remembered by default, and an outage */
#define WH_TOPICS_LAG      INT64_C(172800000)

/* thirty days: longer than any outage */
#define WH_TOPICS_KEPT     "2592000000"


static int wh_topics_find(const wh_topics_t *t, const char *topic,
    int *partitions, wh_error_t *err);
static int wh_topics_create(const wh_topics_t *t, const char *topic,
    wh_error_t *err);
static int wh_topics_commands(const wh_topics_t *t, wh_error_t *err);
static int wh_topics_notifications(const wh_topics_t *t, wh_error_t *err);


int
wh_topics_check(const wh_topics_t *t, int *partitions, wh_error_t *err)
{
    int               n, rc;
    const wh_conf_t  *conf;

    conf = t->conf;

    rc = wh_topics_find(t, conf->notifications_topic, &n, err);

    if (rc == WH_OK && n != 1) {
        rc = wh_error_set(err, WH_ERROR, "topic \"%s\" has %d partitions, it "
                          "must have one", conf->notifications_topic, n);
    }

    if (rc == WH_OK && *conf->rejections_topic != '\0') {
        rc = wh_topics_find(t, conf->rejections_topic, &n, err);
    }

    if (rc == WH_OK) {
        rc = wh_topics_find(t, conf->commands_topic, partitions, err);
    }

    if (rc == WH_OK) {
        rc = wh_topics_commands(t, err);
    }

    if (rc == WH_OK && t->aloud) {
        rc = wh_topics_notifications(t, err);
    }

    return rc;
}


/*
 * One that the database has a position in was there before: an empty one in
 * its place would be in the way of whoever brings it back, and nginx would
 * write commands to it.
 */

static int
wh_topics_find(const wh_topics_t *t, const char *topic, int *partitions,
    wh_error_t *err)
{
    int         known, rc;
    wh_error_t  missing;

    wh_watchdog_step();

    rc = wh_query_partitions(t->watcher, topic, partitions, &missing);

    if (rc != WH_NONE) {
        *err = missing;
        return rc;
    }

    rc = wh_store_knows_topic(t->store, topic, &known, err);

    if (rc == WH_OK && (known || !t->conf->create_topics)) {
        rc = wh_error_set(err, WH_AGAIN, "%s%s", missing.text, known
                          ? "; the database has read it, so it is not created"
                          : "");
    }

    if (rc == WH_OK) {
        rc = wh_topics_create(t, topic, err);
    }

    return (rc == WH_OK) ? wh_query_partitions(t->watcher, topic, partitions,
                                               err)
                         : rc;
}


/* Returns when its partition has a leader, or after a time. */

static int
wh_topics_create(const wh_topics_t *t, const char *topic, wh_error_t *err)
{
    int               rc;
    char              lag[32];
    int64_t           end, low, high, ms;
    const wh_conf_t  *conf = t->conf;

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

    rc = wh_topic_create(t->admin, topic,
                         topic == conf->commands_topic ? commands
                         : topic == conf->notifications_topic ? notifications
                         : rejections, err);
    if (rc == WH_OK) {
        wh_log(WH_LOG_NOTICE, "created topic \"%s\"", topic);

    } else if (rc != WH_CONFLICT) {
        return rc;
    }

    end = wh_clock() + WH_TOPICS_TIMEOUT;

    do {
        wh_wait(WH_TOPICS_LOOK);
        rc = wh_query_watermarks(t->watcher, topic, 0, &low, &high, err);
    } while (rc != WH_OK && wh_clock() < end && !wh_stopping());

    return rc;
}


static int
wh_topics_commands(const wh_topics_t *t, wh_error_t *err)
{
    int                rc;
    const char        *topic;
    wh_topic_policy_t  policy;

    topic = t->conf->commands_topic;

    rc = wh_topic_get_policy(t->admin, topic, &policy, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (policy.compact) {
        return wh_error_set(err, WH_ERROR, "topic \"%s\" is compacted: "
                            "compaction deletes commands; set its "
                            "cleanup.policy to delete", topic);
    }

    if (!policy.known && t->aloud) {
        wh_log(WH_LOG_WARN, "the brokers do not say whether topic \"%s\" is "
               "compacted, which it must not be", topic);
    }

    return WH_OK;
}


static int
wh_topics_notifications(const wh_topics_t *t, wh_error_t *err)
{
    int                rc;
    int64_t            retention;
    const char        *topic;
    wh_topic_policy_t  policy;

    topic = t->conf->notifications_topic;
    retention = t->conf->idempotency_retention * 1000;

    rc = wh_topic_get_policy(t->admin, topic, &policy, err);

    if (rc != WH_OK) {
        return rc;
    }

    if (!policy.known) {
        wh_log(WH_LOG_WARN, "the brokers do not say how long topic \"%s\" "
               "keeps its records", topic);
        return WH_OK;
    }

    if (policy.deletes && (policy.retention >= 0 || policy.bytes >= 0)) {
        wh_log(WH_LOG_WARN, "topic \"%s\" deletes records past its retention: "
               "a lost database cannot be rebuilt from it then without a backup; "
               "its cleanup.policy should be compact", topic);
    }

    if (policy.compact && policy.lag < retention) {
        wh_log(WH_LOG_WARN, "topic \"%s\" has a min.compaction.lag.ms of %"
               PRId64 ", shorter than idempotency_retention: a rebuilt "
               "database may not know all keys", topic, policy.lag);
    }

    return WH_OK;
}
