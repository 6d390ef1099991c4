#include "follow/start.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/watchdog.h"
#include "kafka/query.h"

#include <inttypes.h>


static int wh_start_decide(const wh_conf_t *conf, wh_store_t *store,
    rd_kafka_t *watcher, int64_t high, rd_kafka_topic_partition_t *start,
    wh_error_t *err);
static int wh_start_topics(const wh_conf_t *conf, wh_store_t *store,
    wh_error_t *err);
static int wh_start_trimmed(const wh_conf_t *conf,
    const rd_kafka_topic_partition_t *start, int64_t next, int64_t low,
    wh_error_t *err);
static int wh_start_move(wh_store_t *store,
    const rd_kafka_topic_partition_t *start, wh_error_t *err);


int
wh_start_store(const wh_conf_t *conf, wh_store_t *store, rd_kafka_t *watcher,
    int64_t high, rd_kafka_topic_partition_list_t *start, wh_error_t *err)
{
    int  i, rc;

    for (i = 0; i < start->cnt; i++) {
        wh_watchdog_step();

        rc = wh_start_decide(conf, store, watcher, high, &start->elems[i],
                             err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    wh_watchdog_disk();

    /* stored before the next batch, whose guard expects them there */

    rc = wh_store_begin(store, err);

    for (i = 0; rc == WH_OK && i < start->cnt; i++) {
        rc = wh_start_move(store, &start->elems[i], err);
    }

    if (rc == WH_OK) {
        rc = wh_start_topics(conf, store, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_set_meta(store, "state", "ready", err);
    }

    rc = wh_fail(rc, "positions_written", err);

    rc = wh_store_end(store, rc, err);

    wh_watchdog_step();

    return rc;
}


/* What readers go by; the limit of outcomes may have been lowered. */

static int
wh_start_topics(const wh_conf_t *conf, wh_store_t *store, wh_error_t *err)
{
    int  rc;

    rc = wh_store_limit_outcomes(store, conf->outcomes, err);

    if (rc == WH_OK) {
        rc = wh_store_set_meta(store, "notifications_topic",
                               conf->notifications_topic, err);
    }

    if (rc == WH_OK) {
        rc = wh_store_set_meta(store, "commands_topic", conf->commands_topic,
                               err);
    }

    return rc;
}


/*
 * Decides where one partition goes on: at the larger of the position stored
 * (which following has moved behind all notified commands) and the group's
 * offset, which start->offset holds and which gets the result.
 */

static int
wh_start_decide(const wh_conf_t *conf, wh_store_t *store, rd_kafka_t *watcher,
    int64_t high, rd_kafka_topic_partition_t *start, wh_error_t *err)
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

    rc = wh_query_watermarks_past(watcher, start->topic, start->partition,
                                  next, &low, &end, err);
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
        rc = wh_start_trimmed(conf, start, next, low, err);
        if (rc != WH_OK) {
            return rc;
        }

        next = low;
    }

    start->offset = next;

    return WH_OK;
}


/* WH_OK: the configuration says to pass over them. */

static int
wh_start_trimmed(const wh_conf_t *conf,
    const rd_kafka_topic_partition_t *start, int64_t next, int64_t low,
    wh_error_t *err)
{
    if (!conf->skip_trimmed_commands) {
        return wh_error_set(err, WH_ERROR, "commands %" PRId64 " to %" PRId64
                            " of %s:%d were deleted before they were "
                            "processed; to go on without them, start once "
                            "with --skip_trimmed_commands=yes", next, low - 1,
                            start->topic, start->partition);
    }

    wh_log(WH_LOG_WARN, "passing over commands %" PRId64 " to %" PRId64
           " of %s:%d, deleted before they were processed", next, low - 1,
           start->topic, start->partition);

    return WH_OK;
}


static int
wh_start_move(wh_store_t *store, const rd_kafka_topic_partition_t *start,
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
