/*
 * The questions asked of the brokers.  Every one is bounded in time and says
 * why it failed.
 */

#ifndef WH_QUERY_H
#define WH_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "wh_error.h"


/*
 * Has librdkafka look at its queue.  Before 2.2 a fetcher that has filled it
 * sleeps for a second unless something comes to its thread, however empty the
 * queue gets meanwhile; a question to the leaders of the partitions does.  From
 * then on it does nothing: fetch.queue.backoff.ms says how long.  Returns at once.
 */
void wh_query_wake(rd_kafka_t *rk,
    const rd_kafka_topic_partition_list_t *partitions);

/* The cluster's id, at most size - 1 bytes.  WH_OK; WH_AGAIN: no answer. */
int wh_query_cluster_id(rd_kafka_t *rk, char *id, size_t size,
    wh_error_t *err);

/*
 * A topic's number of partitions.  WH_OK; WH_NONE: there is no such topic;
 * WH_AGAIN: no answer.
 */
int wh_query_partitions(rd_kafka_t *rk, const char *topic, int *count,
    wh_error_t *err);

/*
 * The low and high watermark of a partition; rk is of kind WH_CLIENT_WATCHER:
 * any other would get the last stable offset for the high one.
 * WH_OK, WH_AGAIN.
 */
int wh_query_watermarks(rd_kafka_t *rk, const char *topic, int partition,
    int64_t *low, int64_t *high, wh_error_t *err);

/*
 * The same, asked again for some seconds while the high one is below position,
 * an offset known to have been there.  WH_OK, also if it stays there; WH_AGAIN.
 */
int wh_query_watermarks_past(rd_kafka_t *rk, const char *topic, int partition,
    int64_t position, int64_t *low, int64_t *high, wh_error_t *err);

/*
 * The group's committed offsets of partitions 0..count-1, after waiting for
 * those that a transaction still holds.  *list belongs to the caller;
 * an offset of RD_KAFKA_OFFSET_INVALID means that there is none.
 * WH_OK, WH_AGAIN; then *list is NULL.
 */
int wh_query_committed(rd_kafka_t *rk, const char *topic, int count,
    rd_kafka_topic_partition_list_t **list, wh_error_t *err);

/*
 * How many members a group has, and the first one's host, at most size - 1
 * bytes.  One that does not send heartbeats any more is among them for
 * session.timeout.ms.  WH_OK; WH_NONE: the group is not known; WH_AGAIN: no
 * answer of its coordinator.
 */
int wh_query_members(rd_kafka_t *rk, const char *group, int *count, char *host,
    size_t size, wh_error_t *err);


#endif
