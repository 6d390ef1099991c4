/*
 * Where to go on in commands, once a database has caught up with
 * notifications.
 */

#ifndef WH_START_H
#define WH_START_H

#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
#include "store/store.h"
#include "wh_error.h"


/*
 * Decides it for each partition of start, whose elements hold the group's
 * offsets and get the result; stores that, and sets meta's state to 'ready'.
 * high is the high watermark of notifications, watcher of kind
 * WH_CLIENT_WATCHER.
 *
 * WH_OK; WH_AGAIN; WH_CONFLICT: somebody else moved a position; WH_ERROR:
 * commands were deleted, or the topic was recreated.
 */
int wh_start_store(const wh_conf_t *conf, wh_store_t *store,
    rd_kafka_t *watcher, int64_t high, rd_kafka_topic_partition_list_t *start,
    wh_error_t *err);


#endif
