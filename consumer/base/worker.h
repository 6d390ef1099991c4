/*
 * A second thread, which takes one piece of work at a time: SQLite's, while
 * the first thread is busy with Kafka.  What a piece of work touches belongs
 * to it until wh_worker_wait() has returned.
 */

#ifndef WH_WORKER_H
#define WH_WORKER_H

#include "wh_error.h"


typedef struct wh_worker_s  wh_worker_t;

/* Returns a wh_rc_t, and fills err unless that is WH_OK. */
typedef int (*wh_work_pt)(void *data, wh_error_t *err);


/*
 * Starts the thread, which has all signals blocked.  WH_OK, WH_NOMEM,
 * WH_AGAIN.  wh_worker_destroy() waits for its work, and takes NULL.
 */
int wh_worker_create(wh_worker_t **worker, wh_error_t *err);
void wh_worker_destroy(wh_worker_t *worker);

/* Hands over work(data, err), after a wait for what was handed over before. */
void wh_worker_start(wh_worker_t *worker, wh_work_pt work, void *data);

/* True while the work is not done. */
int wh_worker_busy(wh_worker_t *worker);

/*
 * Waits for the work.  Returns the first failure since the last wait, or
 * WH_OK; err may be NULL.
 */
int wh_worker_wait(wh_worker_t *worker, wh_error_t *err);


#endif
