/*
 * Threads beside the first one.
 */

#ifndef WH_THREAD_H
#define WH_THREAD_H

#include <pthread.h>

#include "wh_error.h"


/*
 * Starts a thread that has all signals blocked: they are the first thread's.
 * WH_OK; WH_AGAIN: the system has no room for one more.  The caller joins it.
 */
int wh_thread_start(pthread_t *thread, void *(*run)(void *data), void *data,
    wh_error_t *err);


#endif
