/*
 * One session: the handles from one recovery to the next trouble.  Any
 * trouble ends the session; the next one begins with a new producer and a
 * recovery, so there is one path for all of it.
 */

#ifndef WH_SESSION_H
#define WH_SESSION_H

#include <librdkafka/rdkafka.h>

#include "base/worker.h"
#include "conf/conf.h"
#include "store/store.h"
#include "ledger/batch.h"
#include "kafka/positions.h"
#include "kafka/publisher.h"
#include "wh_error.h"


/* What was polled for one batch. */

typedef struct {
    wh_batch_t                          *batch;

    /*
     * Partitions whose end was reached, with that offset: it is behind records
     * that are not shown to us, such as the markers and the aborted commands
     * of other producers' transactions.
     */
    wh_positions_t                       ends;
} wh_polled_t;


typedef struct {
    const wh_conf_t                     *conf;
    wh_store_t                          *store;
    wh_publisher_t                      *publisher;
    rd_kafka_t                          *consumer;
    rd_kafka_t                          *watcher;
    wh_worker_t                         *worker;

    /*
     * Taken in the assign callback and kept until the revocation: asked for
     * later, it would carry a generation newer than the batch's and pass the
     * fence (KIP-447).  The batch in hand keeps the one it began with.
     */
    rd_kafka_consumer_group_metadata_t  *metadata;
    rd_kafka_consumer_group_metadata_t  *in_use;

    /* commands: all partitions, and the next offset of each to process */
    rd_kafka_topic_partition_list_t     *list;        /* NULL: not known */
    wh_positions_t                       next;

    wh_polled_t                          now;         /* the batch in hand */
    wh_polled_t                          ahead;       /* the one after it */
    int                                  failed;      /* reading ahead did */
    wh_error_t                           why;

    int                                  assigned;    /* assign is due */
    int                                  partitions;  /* in the assignment */
    size_t                               taken;       /* messages, ever */
    int                                  worked;      /* a batch went through */
    int64_t                              committed;   /* by Kafka, wh_clock() */
    int64_t                              polled;      /* when that in hand was */
    double                               rate;        /* commands a second */
} wh_session_t;


/*
 * Opens database and handles, recovers, joins the group.  whole is kept from
 * session to session, see wh_store_check().
 * WH_OK, WH_AGAIN, WH_ERROR, WH_FENCED, WH_NOMEM; wh_session_close() is due in
 * every
 * case.
 */
int wh_session_open(wh_session_t *session, const wh_conf_t *conf,
    wh_store_file_t *whole, wh_error_t *err);
void wh_session_close(wh_session_t *session);

/*
 * Puts the next batch in hand: what was read ahead and what else is there;
 * waits a moment for the first command.  No more than most commands are read
 * for a batch from now on.  WH_OK (the batch may be empty), WH_AGAIN, WH_ERROR,
 * WH_NOMEM.
 */
int wh_session_poll(wh_session_t *session, size_t most, wh_error_t *err);

/*
 * Reads some commands of the batch after the one in hand, without waiting.
 * False if there is nothing more to do for now.  What goes wrong is told by
 * the next wh_session_poll().
 */
int wh_session_poll_ahead(wh_session_t *session);

/*
 * After WH_FENCED: was it another process, or did only
 * the transaction time out while this one stood still, or an old JoinGroup of
 * ours arrive after a newer one?  Waits for the next heartbeats.  True if
 * another process holds our place in the group.
 */
int wh_session_replaced(wh_session_t *session);


#endif
