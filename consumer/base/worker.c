#include "base/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>


struct wh_worker_s {
    pthread_t        thread;
    pthread_mutex_t  mutex;      /* guards what follows */
    pthread_cond_t   changed;
    wh_work_pt       work;       /* NULL: none, or it is done */
    void            *data;
    int              rc;         /* the first failure not told yet */
    wh_error_t       err;
    int              stop;
};


static int wh_worker_spawn(wh_worker_t *w);
static void *wh_worker_run(void *data);


int
wh_worker_create(wh_worker_t **worker, wh_error_t *err)
{
    int           e;
    wh_worker_t  *w;

    *worker = NULL;

    w = calloc(1, sizeof(wh_worker_t));
    if (w == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    /* neither fails with default attributes on Linux */
    (void) pthread_mutex_init(&w->mutex, NULL);
    (void) pthread_cond_init(&w->changed, NULL);

    e = wh_worker_spawn(w);

    if (e != 0) {
        free(w);
        return wh_error_set(err, WH_AGAIN, "cannot start a thread: %s",
                            strerror(e));
    }

    *worker = w;

    return WH_OK;
}


/* Signals are the first thread's. */

static int
wh_worker_spawn(wh_worker_t *w)
{
    int       e;
    sigset_t  all, old;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &old);

    e = pthread_create(&w->thread, NULL, wh_worker_run, w);

    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);

    return e;
}


void
wh_worker_destroy(wh_worker_t *w)
{
    if (w == NULL) {
        return;
    }

    (void) pthread_mutex_lock(&w->mutex);
    w->stop = 1;
    (void) pthread_cond_broadcast(&w->changed);
    (void) pthread_mutex_unlock(&w->mutex);

    (void) pthread_join(w->thread, NULL);

    (void) pthread_cond_destroy(&w->changed);
    (void) pthread_mutex_destroy(&w->mutex);
    free(w);
}


static void *
wh_worker_run(void *data)
{
    int           rc;
    void         *what;
    wh_error_t    err;
    wh_work_pt    work;
    wh_worker_t  *w = data;

    (void) pthread_mutex_lock(&w->mutex);

    for ( ;; ) {

        while (w->work == NULL && !w->stop) {
            (void) pthread_cond_wait(&w->changed, &w->mutex);
        }

        if (w->work == NULL) {
            break;
        }

        work = w->work;
        what = w->data;

        (void) pthread_mutex_unlock(&w->mutex);
        rc = work(what, &err);
        (void) pthread_mutex_lock(&w->mutex);

        w->work = NULL;

        if (w->rc == WH_OK && rc != WH_OK) {
            w->rc = rc;
            w->err = err;
        }

        (void) pthread_cond_broadcast(&w->changed);
    }

    (void) pthread_mutex_unlock(&w->mutex);

    return NULL;
}


void
wh_worker_start(wh_worker_t *w, wh_work_pt work, void *data)
{
    (void) pthread_mutex_lock(&w->mutex);

    while (w->work != NULL) {
        (void) pthread_cond_wait(&w->changed, &w->mutex);
    }

    w->work = work;
    w->data = data;

    (void) pthread_cond_broadcast(&w->changed);
    (void) pthread_mutex_unlock(&w->mutex);
}


int
wh_worker_busy(wh_worker_t *w)
{
    int  busy;

    (void) pthread_mutex_lock(&w->mutex);
    busy = (w->work != NULL);
    (void) pthread_mutex_unlock(&w->mutex);

    return busy;
}


int
wh_worker_wait(wh_worker_t *w, wh_error_t *err)
{
    int  rc;

    (void) pthread_mutex_lock(&w->mutex);

    while (w->work != NULL) {
        (void) pthread_cond_wait(&w->changed, &w->mutex);
    }

    rc = w->rc;
    w->rc = WH_OK;

    if (rc != WH_OK && err != NULL) {
        *err = w->err;
    }

    (void) pthread_mutex_unlock(&w->mutex);

    return rc;
}
