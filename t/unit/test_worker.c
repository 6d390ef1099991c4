/*
 * The second thread: work in the order it was handed over, failures told once.
 */

#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "base/worker.h"


typedef struct {
    pthread_mutex_t  gate;          /* the work waits for it */
    pthread_t        thread;
    int              blocked;       /* SIGTERM is, in the worker's thread */
    int              done;
    int              rc;
} unit_work_t;


static int
unit_work(void *data, wh_error_t *err)
{
    sigset_t      set;
    unit_work_t  *w = data;

    (void) pthread_mutex_lock(&w->gate);
    (void) pthread_mutex_unlock(&w->gate);

    (void) pthread_sigmask(SIG_BLOCK, NULL, &set);
    w->blocked = sigismember(&set, SIGTERM);
    w->thread = pthread_self();
    w->done++;

    return (w->rc == WH_OK) ? WH_OK : wh_error_set(err, w->rc, "as asked");
}


static void
test_work(void **state)
{
    wh_error_t    err;
    unit_work_t   w = { .gate = PTHREAD_MUTEX_INITIALIZER, .rc = WH_OK };
    wh_worker_t  *worker;

    (void) state;

    assert_int_equal(wh_worker_create(&worker, &err), WH_OK);
    assert_int_equal(wh_worker_wait(worker, &err), WH_OK);
    assert_false(wh_worker_busy(worker));

    (void) pthread_mutex_lock(&w.gate);
    wh_worker_start(worker, unit_work, &w);
    assert_true(wh_worker_busy(worker));
    (void) pthread_mutex_unlock(&w.gate);

    assert_int_equal(wh_worker_wait(worker, &err), WH_OK);
    assert_false(wh_worker_busy(worker));
    assert_int_equal(w.done, 1);
    assert_false(pthread_equal(w.thread, pthread_self()));
    assert_int_equal(w.blocked, 1);

    /* a failure is told once */

    w.rc = WH_CONFLICT;
    wh_worker_start(worker, unit_work, &w);
    assert_int_equal(wh_worker_wait(worker, &err), WH_CONFLICT);
    assert_string_equal(err.text, "as asked");
    assert_int_equal(wh_worker_wait(worker, &err), WH_OK);

    /* nor forgotten for what comes later, which is not done */

    wh_worker_start(worker, unit_work, &w);

    while (wh_worker_busy(worker)) {
        (void) sched_yield();
    }

    w.rc = WH_OK;
    wh_worker_start(worker, unit_work, &w);
    assert_int_equal(wh_worker_wait(worker, NULL), WH_CONFLICT);

    assert_int_equal(w.done, 3);
    wh_worker_start(worker, unit_work, &w);
    assert_int_equal(wh_worker_wait(worker, NULL), WH_OK);

    wh_worker_destroy(worker);
    assert_int_equal(w.done, 4);
}


/* What was handed over is done, also at the end. */

static void
test_end(void **state)
{
    int           i;
    wh_error_t    err;
    unit_work_t   w = { .gate = PTHREAD_MUTEX_INITIALIZER, .rc = WH_OK };
    wh_worker_t  *worker;

    (void) state;

    assert_int_equal(wh_worker_create(&worker, &err), WH_OK);

    for (i = 0; i < 1000; i++) {
        wh_worker_start(worker, unit_work, &w);
    }

    wh_worker_destroy(worker);
    assert_int_equal(w.done, 1000);

    wh_worker_destroy(NULL);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
