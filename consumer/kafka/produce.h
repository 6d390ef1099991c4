/*
 * Handing a message to librdkafka, with its headers.
 */

#ifndef WH_PRODUCE_H
#define WH_PRODUCE_H

#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "ledger/message.h"


/*
 * Produces a message, which is copied; its delivery report will have opaque.
 * Waits for room in the queue, serving the handle's callbacks, unless the
 * daemon is asked to stop.  Returns librdkafka's error.
 */
rd_kafka_resp_err_t wh_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic,
    int32_t partition, const wh_message_t *message, void *opaque);


#endif
