#include "base/worker.h"
#include "base/thread.h"
#include "base/watchdog.h"

#include <stdlib.h>


typedef struct {
    wh_work_pt       work;
    void            *data;
} wh_job_t;


struct wh_worker_s {
    pthread_t        thread;
    pthread_mutex_t  mutex;      /* guards what follows */
    pthread_cond_t   changed;
    wh_job_t         queue[WH_WORKER_QUEUE];
    unsigned         first;      /* the one being done, or next */
    unsigned         count;      /* with that */
    int              rc;         /* a failure not told yet */
    wh_error_t       err;
    int              stop;
};


static void *wh_worker_run(void *data);


int
wh_worker_create(wh_worker_t **worker, wh_error_t *err)
{
    wh_worker_t  *w;

    *worker = NULL;

    w = calloc(1, sizeof(wh_worker_t));
    if (w == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    /* neither fails with default attributes on Linux */
    (void) pthread_mutex_init(&w->mutex, NULL);
    (void) pthread_cond_init(&w->changed, NULL);

    if (wh_thread_start(&w->thread, wh_worker_run, w, err) != WH_OK) {
        free(w);
        return WH_AGAIN;
    }

    *worker = w;

    return WH_OK;
}


void
wh_worker_destroy(wh_worker_t *w)
{
    if (w == NULL) {
        return;
    }

    wh_watchdog_disk();

    (void) pthread_mutex_lock(&w->mutex);
    w->stop = 1;
    (void) pthread_cond_broadcast(&w->changed);
    (void) pthread_mutex_unlock(&w->mutex);

    (void) pthread_join(w->thread, NULL);

    wh_watchdog_step();

    (void) pthread_cond_destroy(&w->changed);
    (void) pthread_mutex_destroy(&w->mutex);
    free(w);
}


static void *
wh_worker_run(void *data)
{
    int           rc;
    wh_job_t      job;
    wh_error_t    err;
    wh_worker_t  *w = data;

    (void) pthread_mutex_lock(&w->mutex);

    for ( ;; ) {

        while (w->count == 0 && !w->stop) {
            (void) pthread_cond_wait(&w->changed, &w->mutex);
        }

        if (w->count == 0) {
            break;
        }

        if (w->rc == WH_OK) {
            job = w->queue[w->first];

            (void) pthread_mutex_unlock(&w->mutex);
            rc = job.work(job.data, &err);
            (void) pthread_mutex_lock(&w->mutex);

            if (rc != WH_OK) {
                w->rc = rc;
                w->err = err;
            }
        }

        w->first = (w->first + 1) % WH_WORKER_QUEUE;
        w->count--;

        (void) pthread_cond_broadcast(&w->changed);
    }

    (void) pthread_mutex_unlock(&w->mutex);

    return NULL;
}


void
wh_worker_start(wh_worker_t *w, wh_work_pt work, void *data)
{
    wh_job_t  *job;

    wh_watchdog_disk();

    (void) pthread_mutex_lock(&w->mutex);

    while (w->count == WH_WORKER_QUEUE) {
        (void) pthread_cond_wait(&w->changed, &w->mutex);
    }

    job = &w->queue[(w->first + w->count) % WH_WORKER_QUEUE];
    job->work = work;
    job->data = data;
    w->count++;

    (void) pthread_cond_broadcast(&w->changed);
    (void) pthread_mutex_unlock(&w->mutex);

    wh_watchdog_step();
}


int
wh_worker_busy(wh_worker_t *w)
{
    int  busy;

    (void) pthread_mutex_lock(&w->mutex);
    busy = (w->count > 0);
    (void) pthread_mutex_unlock(&w->mutex);

    return busy;
}


int
wh_worker_wait(wh_worker_t *w, wh_error_t *err)
{
    int  rc;

    wh_watchdog_disk();

    (void) pthread_mutex_lock(&w->mutex);

    while (w->count > 0) {
        (void) pthread_cond_wait(&w->changed, &w->mutex);
    }

    rc = w->rc;
    w->rc = WH_OK;

    if (rc != WH_OK && err != NULL) {
        *err = w->err;
    }

    (void) pthread_mutex_unlock(&w->mutex);

    wh_watchdog_step();

    return rc;
}
