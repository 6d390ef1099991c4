/*
 * Recovery: brings a database in line with Kafka and decides where to go on
 * in commands.  One path for every start: after a crash, an unknown outcome
 * of a commit, a restored backup, a lost database, a new assignment.
 */

#ifndef WH_RECOVER_H
#define WH_RECOVER_H

#include <librdkafka/rdkafka.h>

#include "base/worker.h"
#include "conf/conf.h"
#include "store/store.h"
#include "wh_error.h"


typedef struct {
    const wh_conf_t   *conf;
    wh_worker_t       *worker;      /* the store's thread */
    rd_kafka_t        *producer;    /* after init_transactions() */
    rd_kafka_t        *consumer;    /* the group member, joined or not */
    rd_kafka_t        *watcher;
    int                again;       /* after one in the same session */
} wh_recovery_t;


/*
 * Checks what must not be passed over silently, catches up with
 * notifications, stores the positions, marks the database ready and publishes
 * it where it is new.  *start lists every partition of commands with the
 * offset to go on from; the caller destroys it.
 *
 * WH_OK; WH_AGAIN: brokers away, topic not there yet, asked to stop;
 * WH_ERROR: Kafka and the database contradict each other, err says what and
 * what to do.  *start is NULL on failure; *store may be NULL then.
 */
int wh_recover(const wh_recovery_t *recovery, wh_store_t **store,
    rd_kafka_topic_partition_list_t **start, wh_error_t *err);


#endif
