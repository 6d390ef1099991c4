/*
 * A second thread with a queue of work: SQLite's, while the first thread is
 * busy with Kafka.  What a piece of work touches belongs to it until
 * wh_worker_wait() has returned.
 */

#ifndef WH_WORKER_H
#define WH_WORKER_H

#include "wh_error.h"


#define WH_WORKER_QUEUE  4


typedef struct wh_worker_s  wh_worker_t;

/* Returns a wh_rc_t, and fills err unless that is WH_OK. */
typedef int (*wh_work_pt)(void *data, wh_error_t *err);


/*
 * Starts the thread, which has all signals blocked.  WH_OK, WH_NOMEM,
 * WH_AGAIN.  wh_worker_destroy() waits for its work, and takes NULL.
 */
int wh_worker_create(wh_worker_t **worker, wh_error_t *err);
void wh_worker_destroy(wh_worker_t *worker);

/*
 * Hands over work(data, err), to be done after what was handed over before;
 * waits while WH_WORKER_QUEUE pieces are waiting.  Behind a failure nothing is
 * done until wh_worker_wait() has told of it.
 */
void wh_worker_start(wh_worker_t *worker, wh_work_pt work, void *data);

/* True while there is work to be done. */
int wh_worker_busy(wh_worker_t *worker);

/*
 * Waits for all of the work.  Returns the failure there was since the last
 * wait, or WH_OK; err may be NULL.
 */
int wh_worker_wait(wh_worker_t *worker, wh_error_t *err);


#endif
