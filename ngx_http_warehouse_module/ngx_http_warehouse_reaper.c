#include "ngx_http_warehouse_reaper.h"

#include <dlfcn.h>
#include <pthread.h>
#include <time.h>


typedef struct {
    ngx_queue_t   queue;
    pthread_t     thread;
    rd_kafka_t   *rk;
    void         *data;
} ngx_http_warehouse_reaped_t;


static void ngx_http_warehouse_reaper_stay(void);
static void *ngx_http_warehouse_reaper_thread(void *data);
static void ngx_http_warehouse_reaper_join(const struct timespec *until);


/* one process, one list, whatever its configurations; empty: not set up */
static ngx_queue_t  ngx_http_warehouse_reaped;


void
ngx_http_warehouse_reap(rd_kafka_t *rk, void *data)
{
    int                           err;
    sigset_t                      all, before;
    struct timespec               past;
    ngx_http_warehouse_reaped_t  *reaped;

    if (ngx_http_warehouse_reaped.next == NULL) {
        ngx_queue_init(&ngx_http_warehouse_reaped);
        ngx_http_warehouse_reaper_stay();
    }

    /* those that have ended */

    ngx_memzero(&past, sizeof(struct timespec));
    ngx_http_warehouse_reaper_join(&past);

    reaped = ngx_alloc(sizeof(ngx_http_warehouse_reaped_t), ngx_cycle->log);
    if (reaped == NULL) {
        /* it stays: better than a worker that stands still */
        return;
    }

    reaped->rk = rk;
    reaped->data = data;

    /* nginx's signals are for nginx's thread */

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);

    err = pthread_create(&reaped->thread, NULL,
                         ngx_http_warehouse_reaper_thread, reaped);

    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);

    if (err) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, err,
                      "pthread_create() failed, a Kafka producer is left "
                      "undestroyed");
        ngx_free(reaped);
        return;
    }

    ngx_queue_insert_tail(&ngx_http_warehouse_reaped, &reaped->queue);
}


/*
 * A worker may unload the module with its configuration while a thread still
 * runs here; from now on it does not.
 */

static void
ngx_http_warehouse_reaper_stay(void)
{
    void     *handle;
    Dl_info   info;

    if (dladdr((void *) &ngx_http_warehouse_reaped, &info) == 0) {
        return;
    }

    handle = dlopen(info.dli_fname, RTLD_LAZY|RTLD_NOLOAD|RTLD_NODELETE);

    if (handle != NULL) {
        (void) dlclose(handle);
    }
}


static void *
ngx_http_warehouse_reaper_thread(void *data)
{
    ngx_http_warehouse_reaped_t *reaped = data;

    rd_kafka_destroy(reaped->rk);
    ngx_free(reaped->data);

    return NULL;
}


void
ngx_http_warehouse_reap_wait(ngx_msec_t limit)
{
    struct timespec  until;

    if (ngx_http_warehouse_reaped.next == NULL) {
        return;
    }

    if (clock_gettime(CLOCK_REALTIME, &until) == -1) {
        ngx_memzero(&until, sizeof(struct timespec));
    }

    until.tv_sec += limit / 1000;
    until.tv_nsec += (limit % 1000) * 1000000;

    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }

    ngx_http_warehouse_reaper_join(&until);

    if (!ngx_queue_empty(&ngx_http_warehouse_reaped)) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "warehouse: a Kafka producer does not end in time, as "
                      "in a name lookup that hangs");
    }
}


/* Joins the threads that end before that time (CLOCK_REALTIME). */

static void
ngx_http_warehouse_reaper_join(const struct timespec *until)
{
    ngx_queue_t                  *q, *next;
    ngx_http_warehouse_reaped_t  *reaped;

    for (q = ngx_queue_head(&ngx_http_warehouse_reaped);
         q != ngx_queue_sentinel(&ngx_http_warehouse_reaped);
         q = next)
    {
        next = ngx_queue_next(q);
        reaped = ngx_queue_data(q, ngx_http_warehouse_reaped_t, queue);

        if (pthread_timedjoin_np(reaped->thread, NULL, until) == 0) {
            ngx_queue_remove(q);
            ngx_free(reaped);
        }
    }
}
