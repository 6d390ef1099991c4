/*
 * What a session tells the metrics, now and then.
 */

#ifndef WH_WATCH_H
#define WH_WATCH_H

#include <librdkafka/rdkafka.h>

#include "session/handles.h"


/*
 * Once a second, between two batches: positions and what waits behind them, as
 * librdkafka last heard of it, and the number of keys.  Asks no broker; what
 * cannot be told is left out.
 */
void wh_watch(wh_handles_t *handles, rd_kafka_t *consumer);


#endif
