/*
 * One session: from one recovery to the next trouble.  Any trouble ends it; the
 * next one begins with a new producer and a recovery, so there is one path for
 * all of it.
 */

#ifndef WH_SESSION_H
#define WH_SESSION_H

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
#include "store/store.h"
#include "session/handles.h"
#include "session/pace.h"
#include "wh_error.h"


typedef struct {
    wh_handles_t   handles;
    rd_kafka_t    *consumer;     /* the group member */
    rd_kafka_t    *watcher;      /* asks for high watermarks */
} wh_session_t;


/*
 * Opens database and handles, recovers, joins the group.  whole is kept from
 * session to session, see wh_store_check(), and so is pace.
 * WH_OK, WH_AGAIN, WH_ERROR, WH_FENCED, WH_NOMEM; wh_session_close() is due in
 * every case.
 */
int wh_session_open(wh_session_t *session, const wh_conf_t *conf,
    wh_store_file_t *whole, wh_pace_t *pace, wh_error_t *err);
void wh_session_close(wh_session_t *session);

/*
 * Reads a batch and processes it: what was read ahead and what else is there.
 * Waits a moment for the first command; there may be none.  Takes up a new
 * assignment.  WH_OK, WH_AGAIN, WH_ERROR, WH_FENCED, WH_NOMEM.
 */
int wh_session_step(wh_session_t *session, wh_error_t *err);

/*
 * After WH_FENCED: was it another process, or did only the transaction time out
 * while this one stood still, or an old JoinGroup of ours arrive after a newer
 * one?  Waits for the next heartbeats, and if both have happened, until the group
 * has had the time to forget a member that is none.  True if another process
 * holds our place in the group.
 */
int wh_session_replaced(wh_session_t *session);


#endif
