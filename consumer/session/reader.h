/*
 * From the messages of commands to batches: one in hand, and the one after it,
 * which is read while that is processed.
 */

#ifndef WH_READER_H
#define WH_READER_H

#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
#include "ledger/batch.h"
#include "kafka/positions.h"
#include "session/assignment.h"
#include "session/pace.h"
#include "wh_error.h"


/* What was read for one batch. */

typedef struct {
    wh_batch_t       *batch;

    /*
     * Partitions whose end was reached, with that offset: it is behind records
     * that are not shown to us, such as the markers and the aborted commands
     * of other producers' transactions.
     */
    wh_positions_t    ends;
} wh_polled_t;


typedef struct {
    rd_kafka_t       *consumer;      /* not owned, nor are these two */
    wh_assignment_t  *assignment;
    wh_pace_t        *pace;

    wh_polled_t       now;           /* the batch in hand */
    wh_polled_t       ahead;         /* the one after it */
    int               failed;        /* reading ahead did */
    wh_error_t        why;
    size_t            taken;         /* messages, ever */
} wh_reader_t;


/*
 * Makes room for two batches; consumer, assignment and pace are the caller's
 * to set.  WH_OK, WH_NOMEM; wh_reader_close() is due in every case.
 */
int wh_reader_open(wh_reader_t *reader, const wh_conf_t *conf,
    wh_error_t *err);
void wh_reader_close(wh_reader_t *reader);

/*
 * Fills the batch after the one in hand with what is there, at most what the
 * pace allows; waits a moment for the first command, and until a pause has gone
 * by since the last transaction was committed (wh_clock()).  Ends early where
 * an assignment is due.  WH_OK (the batch may be empty), WH_AGAIN, WH_ERROR,
 * WH_FENCED, WH_NOMEM.
 */
int wh_reader_poll(wh_reader_t *reader, int64_t committed, wh_error_t *err);

/* Puts that batch in hand, and begins an empty one after it. */
void wh_reader_next(wh_reader_t *reader);

/*
 * Reads some commands of the batch after the one in hand, without waiting.
 * False if there is nothing more to do for now.  What goes wrong is told by
 * the next wh_reader_poll(), and stands in failed and why.
 */
int wh_reader_ahead(wh_reader_t *reader);

/* Drops what was read for the batch after the one in hand. */
void wh_reader_drop(wh_reader_t *reader);


#endif
