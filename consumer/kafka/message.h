/*
 * The message that tells of an outcome: a notification of an applied command,
 * a rejection of any other; topic, key, text and headers.
 */

#ifndef WH_MESSAGE_H
#define WH_MESSAGE_H

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
#include "ledger/batch.h"


/*
 * Produces the message to a topic of rk; its delivery report will have opaque.
 * Waits for room in the queue, serving the handle's callbacks.  Returns
 * librdkafka's error, RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE for want of memory.
 */
rd_kafka_resp_err_t wh_message_send(rd_kafka_t *rk, rd_kafka_topic_t *topic,
    const wh_conf_t *conf, const wh_outcome_t *outcome, void *opaque);


#endif
