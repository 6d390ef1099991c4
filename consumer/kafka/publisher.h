/*
 * The transactional producer: one Kafka transaction a slice, notifications and
 * rejections first, the group's offsets last.
 */

#ifndef WH_PUBLISHER_H
#define WH_PUBLISHER_H

#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
#include "ledger/message.h"
#include "wh_error.h"


typedef struct wh_publisher_s  wh_publisher_t;


/*
 * Creates the producer and waits for init_transactions(), which fences any
 * older producer of the same transactional.id and ends its transaction.
 * WH_OK; WH_AGAIN: no answer, or asked to stop; WH_ERROR; WH_FENCED.
 * wh_publisher_close() accepts NULL; it aborts an open transaction, or leaves
 * it to the next init_transactions() if the brokers do not answer soon.
 */
int wh_publisher_open(wh_publisher_t **publisher, const wh_conf_t *conf,
    wh_error_t *err);
void wh_publisher_close(wh_publisher_t *publisher);

/* The handle, for questions to the brokers. */
rd_kafka_t *wh_publisher_handle(wh_publisher_t *publisher);

/* transaction.timeout.ms: what one transaction may take. */
int64_t wh_publisher_timeout(const wh_publisher_t *publisher);

/*
 * True if a request of a transaction went without its answer.  A retry of
 * EndTxn may still be on its way, and would end the next transaction (there
 * is no KIP-890 here): the publisher must be replaced before the next begin.
 */
int wh_publisher_suspect(const wh_publisher_t *publisher);

/*
 * True if, after wh_publisher_flush(), it is not known where the transaction's
 * notifications are: who wants to know has to read them.
 */
int wh_publisher_unknown(const wh_publisher_t *publisher);

/*
 * Asks the brokers, by a transaction of offsets that is aborted, whether a
 * newer producer has our transactional.id; waits for the answer.  The publisher
 * must be closed then.  True if there is one.
 */
int wh_publisher_fenced(wh_publisher_t *publisher,
    const rd_kafka_topic_partition_list_t *offsets);

/*
 * One transaction: begin; one wh_publisher_send() for each message, a
 * notification or a rejection (of which there are none unless rejections_topic
 * is set), whose texts are copied, a notification's with a place for its offset;
 * wh_publisher_pending() says whether delivery reports are to come; wh_publisher_flush() waits for them,
 * refuses offsets of notifications below *next, the position known so far, and
 * sets *next to the position behind them and the commit marker, or leaves it
 * alone where there are none, or it is not known; wh_publisher_commit() sends offsets (of commands,
 * the next ones to process) as the group member that metadata names, and
 * commits.
 * After any failure the publisher must be closed.
 * WH_OK; WH_AGAIN; WH_ERROR; WH_FENCED: by a newer producer of our
 * transactional.id.
 */
int wh_publisher_begin(wh_publisher_t *publisher, wh_error_t *err);
int wh_publisher_send(wh_publisher_t *publisher, const wh_message_t *message,
    wh_error_t *err);
int wh_publisher_pending(wh_publisher_t *publisher);
int wh_publisher_flush(wh_publisher_t *publisher, int64_t *next,
    wh_error_t *err);
int wh_publisher_commit(wh_publisher_t *publisher,
    const rd_kafka_topic_partition_list_t *offsets,
    const rd_kafka_consumer_group_metadata_t *metadata, wh_error_t *err);


#endif
