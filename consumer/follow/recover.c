#include "follow/recover.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/signal.h"
#include "base/watchdog.h"
#include "kafka/query.h"
#include "follow/catch_up.h"
#include "follow/follow.h"
#include "follow/start.h"
#include "follow/topics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


static int wh_recover_once(const wh_recovery_t *r, wh_store_t **store,
    rd_kafka_topic_partition_list_t **start, wh_error_t *err);
static int wh_recover_cluster(const wh_recovery_t *r, wh_store_t *store,
    wh_error_t *err);
static int wh_recover_notifications(const wh_recovery_t *r, wh_store_t *store,
    int64_t *high, wh_error_t *err);
static int wh_recover_outcomes(const wh_recovery_t *r, wh_store_t *store,
    wh_error_t *err);
static int wh_recover_follow(const wh_recovery_t *r, wh_store_t *store,
    int64_t high, wh_error_t *err);


int
wh_recover(const wh_recovery_t *r, wh_store_t **store,
    rd_kafka_topic_partition_list_t **start, wh_error_t *err)
{
    int  rc;

    rc = wh_recover_once(r, store, start, err);

    if (rc == WH_CONFLICT
        && (!wh_store_unpublished(*store) || wh_stopping()))
    {
        /* another process moved the positions; or there is no time left */
        return WH_AGAIN;
    }

    if (rc == WH_CONFLICT) {
        wh_log(WH_LOG_NOTICE, "%s: rebuilding it from the beginning",
               err->text);

        wh_watchdog_disk();
        rc = wh_store_renew(store, err);
        wh_watchdog_step();

        if (rc == WH_OK) {
            rc = wh_recover_once(r, store, start, err);
        }
    }

    return rc;
}


/* WH_CONFLICT: a rebuild that was interrupted cannot go on. */

static int
wh_recover_once(const wh_recovery_t *r, wh_store_t **store,
    rd_kafka_topic_partition_list_t **start, wh_error_t *err)
{
    int          partitions, rc;
    int64_t      high;
    wh_topics_t  topics;

    *start = NULL;

    rc = wh_recover_cluster(r, *store, err);
    rc = wh_fail(rc, "cluster_checked", err);

    if (rc != WH_OK) {
        return rc;
    }

    topics.conf = r->conf;
    topics.store = *store;
    topics.admin = r->producer;
    topics.watcher = r->watcher;
    topics.aloud = !r->again;

    rc = wh_topics_check(&topics, &partitions, err);
    if (rc != WH_OK) {
        return rc;
    }

    /*
     * The order matters: the group's offsets first, then the high watermark.
     * Notifications of whatever was committed by then lie below it.
     */

    rc = wh_query_committed(r->consumer, r->conf->commands_topic, partitions,
                             start, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_fail(rc, "offsets_fetched", err);

    if (rc == WH_OK) {
        rc = wh_recover_notifications(r, *store, &high, err);
    }

    if (rc == WH_OK) {
        rc = wh_start_store(r->conf, *store, r->watcher, high, *start, err);
    }

    if (rc == WH_OK && wh_store_unpublished(*store)) {
        wh_watchdog_disk();
        rc = wh_store_publish(store, err);
        wh_watchdog_step();
    }

    rc = wh_fail(rc, "recovered", err);

    if (rc != WH_OK) {
        rd_kafka_topic_partition_list_destroy(*start);
        *start = NULL;
    }

    return rc;
}


static int
wh_recover_cluster(const wh_recovery_t *r, wh_store_t *store, wh_error_t *err)
{
    int   rc;
    char  id[128], known[128], source[600], topics[600];

    rc = wh_query_cluster_id(r->producer, id, sizeof(id), err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_store_get_meta(store, "cluster_id", known, sizeof(known), err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_store_get_meta(store, "rebuilt_from", source, sizeof(source), err);
    if (rc != WH_OK) {
        return rc;
    }

    (void) snprintf(topics, sizeof(topics), "%s %s",
                    r->conf->notifications_topic, r->conf->commands_topic);

    if (wh_store_unpublished(store) && *known != '\0'
        && (strcmp(id, known) != 0 || strcmp(topics, source) != 0))
    {
        return wh_error_set(err, WH_CONFLICT, "the rebuild that was "
                            "interrupted was from topics \"%s\" of cluster \"%s\"",
                            source, known);
    }

    if (strcmp(id, known) == 0) {
        return WH_OK;
    }

    if (*known != '\0') {
        return wh_error_set(err, WH_ERROR, "the database belongs to Kafka "
                            "cluster \"%s\", the brokers are cluster \"%s\": "
                            "correct kafka.bootstrap.servers, or move the "
                            "database away to have one built from this "
                            "cluster", known, id);
    }

    wh_watchdog_disk();

    rc = wh_store_begin(store, err);

    if (rc == WH_OK) {
        rc = wh_store_set_meta(store, "cluster_id", id, err);
    }

    if (rc == WH_OK && wh_store_unpublished(store)) {
        rc = wh_store_set_meta(store, "rebuilt_from", topics, err);
    }

    return wh_store_end(store, rc, err);
}


static int
wh_recover_notifications(const wh_recovery_t *r, wh_store_t *store,
    int64_t *high, wh_error_t *err)
{
    int          rc;
    int64_t      low, next;
    const char  *topic;

    topic = r->conf->notifications_topic;

    rc = wh_store_get_position(store, topic, 0, &next, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (next == -1) {
        next = 0;
    }

    rc = wh_query_watermarks_past(r->watcher, topic, 0, next, &low, high, err);
    rc = wh_fail(rc, "watermark_read", err);

    if (rc != WH_OK) {
        return rc;
    }

    if (wh_store_unpublished(store) && next > 0
        && (next > *high || next < low))
    {
        return wh_error_set(err, WH_CONFLICT, "the rebuild that was "
                            "interrupted had read topic \"%s\" up to offset %"
                            PRId64 ", it now has %" PRId64 " to %" PRId64,
                            topic, next, low, *high);
    }

    if (next > *high && r->again) {
        /* our own last marker is not there yet; a new producer waits for it */
        return wh_error_set(err, WH_AGAIN, "topic \"%s\" ends at offset %"
                            PRId64 ", before the position %" PRId64, topic,
                            *high, next);
    }

    if (next > *high) {
        return wh_error_set(err, WH_ERROR, "the database knows topic \"%s\" up "
                            "to offset %" PRId64 ", the topic ends at %" PRId64
                            ": it was recreated or has lost records; to go on "
                            "with the stock of the database, set "
                            "notifications_topic to a new, empty topic (the "
                            "stock from before it cannot be rebuilt from "
                            "Kafka then: keep backups)", topic, next, *high);
    }

    if (next < low) {
        return wh_error_set(err, WH_ERROR, "the database needs topic \"%s\" "
                            "from offset %" PRId64 ", the topic begins at %"
                            PRId64 ": restore a backup of the database that "
                            "is at least that recent", topic, next, low);
    }

    return wh_recover_follow(r, store, *high, err);
}


/*
 * Outcomes know where they are in notifications: in another topic, nothing.
 * Those that are read from it belong to it, however far this comes.
 */

static int
wh_recover_outcomes(const wh_recovery_t *r, wh_store_t *store, wh_error_t *err)
{
    int   rc;
    char  topic[256];

    rc = wh_store_get_meta(store, "notifications_topic", topic, sizeof(topic),
                           err);

    if (rc != WH_OK || *topic == '\0'
        || strcmp(topic, r->conf->notifications_topic) == 0)
    {
        return rc;
    }

    wh_watchdog_disk();

    rc = wh_store_begin(store, err);

    if (rc == WH_OK) {
        rc = wh_store_limit_outcomes(store, 0, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_set_meta(store, "notifications_topic",
                               r->conf->notifications_topic, err);
    }

    rc = wh_store_end(store, rc, err);

    wh_watchdog_step();

    return rc;
}


static int
wh_recover_follow(const wh_recovery_t *r, wh_store_t *store, int64_t high,
    wh_error_t *err)
{
    int           keep, rc, written;
    uint64_t      read, applied;
    wh_error_t    why;
    wh_follow_t  *f;

    rc = wh_recover_outcomes(r, store, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_follow_open(&f, r->conf, store, r->worker, high, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_catch_up(f, high, err);

    /*
     * What was read is kept where nobody reads the database yet, and where
     * somebody said what to pass over: the next start goes on from here.
     */

    keep = (rc == WH_OK || wh_store_unpublished(store)
            || wh_follow_skipped(f));

    /* what went wrong with the database counts for more */

    written = wh_follow_finish(f, keep, &why);

    if (written != WH_OK) {
        rc = written;
        *err = why;
    }

    wh_follow_counts(f, &read, &applied);
    wh_follow_close(f);

    if (rc == WH_OK && read > 0) {
        wh_log(WH_LOG_NOTICE, "%" PRIu64 " notifications read, %" PRIu64
               " applied to the database", read, applied);
    }

    return rc;
}
