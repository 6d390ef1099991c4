/*
 * The daemon's place in the group of commands: which partitions it has, the
 * next offset of each to process, and what proves to the brokers that it has
 * them.
 */

#ifndef WH_ASSIGNMENT_H
#define WH_ASSIGNMENT_H

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
#include "kafka/positions.h"
#include "wh_error.h"


typedef struct {
    const wh_conf_t                     *conf;
    rd_kafka_t                          *consumer;    /* not owned */

    /*
     * Taken in the assign callback and kept until the revocation: asked for
     * later, it would carry a generation newer than the batch's and pass the
     * fence (KIP-447).  The batch in hand keeps the one it began with.
     */
    rd_kafka_consumer_group_metadata_t  *metadata;    /* NULL: no assignment */
    rd_kafka_consumer_group_metadata_t  *in_use;

    /* all partitions of commands, where to begin; NULL: not known */
    rd_kafka_topic_partition_list_t     *list;
    wh_positions_t                       next;        /* to process */

    int                                  due;         /* to be taken up */
    int                                  partitions;  /* that were given */
} wh_assignment_t;


/* Joins the group.  WH_OK, WH_AGAIN. */
int wh_assignment_join(wh_assignment_t *assignment, wh_error_t *err);

/* Releases what it holds; zeroed it holds nothing. */
void wh_assignment_close(wh_assignment_t *assignment);

/*
 * From the consumer's rebalance callback, in the thread that polls: notes what
 * was given, or that it is gone.
 */
void wh_assignment_rebalanced(wh_assignment_t *assignment,
    rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *partitions);

/*
 * Where to begin, as a recovery found it; the list becomes the assignment's.
 * WH_OK, WH_NOMEM.
 */
int wh_assignment_begin_at(wh_assignment_t *assignment,
    rd_kafka_topic_partition_list_t *list, wh_error_t *err);

/*
 * Takes up the partitions that were given, from there on.  WH_OK; WH_AGAIN:
 * they are not all of them.
 */
int wh_assignment_take_up(wh_assignment_t *assignment, wh_error_t *err);

/* The batch in hand begins, and is done: in_use is what it began with. */
void wh_assignment_hold(wh_assignment_t *assignment);
void wh_assignment_release(wh_assignment_t *assignment);

/* Commands were processed up to these offsets.  WH_OK, WH_NOMEM. */
int wh_assignment_move(wh_assignment_t *assignment,
    const wh_positions_t *next, wh_error_t *err);

/*
 * Whether the group member is of no more use.  WH_OK: it is of use; WH_AGAIN;
 * WH_FENCED: another has its group.instance.id.
 */
int wh_assignment_fatal(const wh_assignment_t *assignment, wh_error_t *err);


#endif
