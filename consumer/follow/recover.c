#include "follow/recover.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/signal.h"
#include "kafka/query.h"
#include "follow/follow.h"
#include "follow/topics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


#define WH_RECOVER_LOOKS  5      /* at a watermark that seems to go back */
#define WH_RECOVER_WAIT   500    /* ms between two looks */


static int wh_recover_once(const wh_recovery_t *r, wh_store_t **store,
    rd_kafka_topic_partition_list_t **start, wh_error_t *err);
static int wh_recover_cluster(const wh_recovery_t *r, wh_store_t *store,
    wh_error_t *err);
static int wh_recover_notifications(const wh_recovery_t *r, wh_store_t *store,
    int64_t *high, wh_error_t *err);
static int wh_recover_positions(const wh_recovery_t *r, wh_store_t *store,
    int64_t high, rd_kafka_topic_partition_list_t *start, wh_error_t *err);
static int wh_recover_move(wh_store_t *store,
    const rd_kafka_topic_partition_t *start, wh_error_t *err);
static int wh_recover_start(const wh_recovery_t *r, wh_store_t *store,
    int64_t high, rd_kafka_topic_partition_t *start, wh_error_t *err);
static int wh_recover_watermarks(const wh_recovery_t *r, const char *topic,
    int partition, int64_t position, int64_t *low, int64_t *high,
    wh_error_t *err);


int
wh_recover(const wh_recovery_t *r, wh_store_t **store,
    rd_kafka_topic_partition_list_t **start, wh_error_t *err)
{
    int  rc;

    rc = wh_recover_once(r, store, start, err);

    if (rc == WH_CONFLICT && !wh_store_unpublished(*store)) {
        /* another process moved the positions */
        return WH_AGAIN;
    }

    if (rc == WH_CONFLICT) {
        wh_log(WH_LOG_NOTICE, "%s: rebuilding it from the beginning",
               err->text);

        rc = wh_store_renew(store, err);

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
        rc = wh_recover_positions(r, *store, high, *start, err);
    }

    if (rc == WH_OK && wh_store_unpublished(*store)) {
        rc = wh_store_publish(store, err);
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

    rc = wh_store_begin(store, err);

    if (rc == WH_OK) {
        rc = wh_store_set_meta(store, "cluster_id", id, err);
    }

    if (rc == WH_OK && wh_store_unpublished(store)) {
        rc = wh_store_set_meta(store, "rebuilt_from", topics, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_commit(store, err);
    }

    if (rc != WH_OK) {
        wh_store_rollback(store);
    }

    return rc;
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

    rc = wh_recover_watermarks(r, topic, 0, next, &low, high, err);
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

    return wh_follow(store, r->conf, *high, err);
}


static int
wh_recover_positions(const wh_recovery_t *r, wh_store_t *store, int64_t high,
    rd_kafka_topic_partition_list_t *start, wh_error_t *err)
{
    int  i, rc;

    for (i = 0; i < start->cnt; i++) {
        rc = wh_recover_start(r, store, high, &start->elems[i], err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    /* stored before the next batch, whose guard expects them there */

    rc = wh_store_begin(store, err);

    for (i = 0; rc == WH_OK && i < start->cnt; i++) {
        rc = wh_recover_move(store, &start->elems[i], err);
    }

    if (rc == WH_OK) {
        rc = wh_store_set_meta(store, "state", "ready", err);
    }

    rc = wh_fail(rc, "positions_written", err);

    if (rc == WH_OK) {
        rc = wh_store_commit(store, err);
    }

    if (rc != WH_OK) {
        wh_store_rollback(store);
    }

    return rc;
}


static int
wh_recover_move(wh_store_t *store, const rd_kafka_topic_partition_t *start,
    wh_error_t *err)
{
    int      rc;
    int64_t  stored;

    rc = wh_store_get_position(store, start->topic, start->partition, &stored,
                               err);

    if (rc != WH_OK || stored == start->offset) {
        return rc;
    }

    return wh_store_move_position(store, start->topic, start->partition,
                                  stored, start->offset, err);
}


/*
 * Decides where one partition goes on: at the larger of the position stored
 * (which wh_follow() has moved behind all notified commands) and the group's
 * offset, which start->offset holds and which gets the result.
 */

static int
wh_recover_start(const wh_recovery_t *r, wh_store_t *store, int64_t high,
    rd_kafka_topic_partition_t *start, wh_error_t *err)
{
    int      rc;
    int64_t  stored, next, low, end;

    rc = wh_store_get_position(store, start->topic, start->partition, &stored,
                               err);
    if (rc != WH_OK) {
        return rc;
    }

    next = (start->offset > stored) ? start->offset : stored;

    if (next < 0) {
        next = 0;
    }

    rc = wh_recover_watermarks(r, start->topic, start->partition, next, &low,
                               &end, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (next > end) {
        return wh_error_set(err, WH_ERROR, "%s:%d is processed up to offset %"
                            PRId64 ", the topic ends at %" PRId64 ": it was "
                            "recreated or has lost records; to go on with the "
                            "stock as it is, have the commands written to a "
                            "topic of another name and set commands_topic to "
                            "it", start->topic, start->partition, next, end);
    }

    if (wh_store_unpublished(store) && high == 0 && next > 0) {

        /* no notification, no stock: nothing was applied, or all was lost */

        wh_log(WH_LOG_WARN, "no database and no notifications: processing "
               "%s:%d again from its beginning, the group's offset was %"
               PRId64, start->topic, start->partition, next);
        next = 0;
    }

    if (next < low) {

        if (!r->conf->skip_trimmed_commands) {
            return wh_error_set(err, WH_ERROR, "commands %" PRId64 " to %"
                                PRId64 " of %s:%d were deleted before they "
                                "were processed; to go on without them, start "
                                "once with --skip_trimmed_commands=yes",
                                next, low - 1, start->topic, start->partition);
        }

        wh_log(WH_LOG_WARN, "passing over commands %" PRId64 " to %" PRId64
               " of %s:%d, deleted before they were processed", next, low - 1,
               start->topic, start->partition);
        next = low;
    }

    start->offset = next;

    return WH_OK;
}


/* A broker that has just started may show an old high watermark at first. */

static int
wh_recover_watermarks(const wh_recovery_t *r, const char *topic, int partition,
    int64_t position, int64_t *low, int64_t *high, wh_error_t *err)
{
    int  i, rc;

    for (i = 0; ; i++) {
        rc = wh_query_watermarks(r->watcher, topic, partition, low, high, err);

        if (rc != WH_OK || position <= *high || i == WH_RECOVER_LOOKS) {
            return rc;
        }

        wh_wait(WH_RECOVER_WAIT);

        if (wh_stopping()) {
            return wh_error_set(err, WH_AGAIN, "asked to stop");
        }
    }
}
