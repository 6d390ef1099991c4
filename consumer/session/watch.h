/*
 * What a session looks at now and then: what it tells the metrics, and whether
 * the brokers are there.
 */

#ifndef WH_WATCH_H
#define WH_WATCH_H

#include <librdkafka/rdkafka.h>

#include "session/handles.h"
#include "wh_error.h"


/*
 * Once a second, between two batches: positions and what waits behind them, as
 * librdkafka last heard of it, and the number of keys.  Asks no broker; what
 * cannot be told is left out.
 */
void wh_watch(wh_handles_t *handles, rd_kafka_t *consumer);

/* Before the first; consumer is the handle that wh_watch_brokers() judges by. */
void wh_watch_begin(wh_handles_t *handles, rd_kafka_t *consumer);

/*
 * Between two batches.  WH_OK; WH_AGAIN: no broker has answered for a time, also
 * one that there was nothing to do in; new handles may find them, and files with
 * certificates and passwords that have been replaced.
 */
int wh_watch_brokers(const wh_handles_t *handles, wh_error_t *err);


#endif
