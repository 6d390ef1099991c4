#include "base/thread.h"

#include <signal.h>
#include <string.h>


int
wh_thread_start(pthread_t *thread, void *(*run)(void *data), void *data,
    wh_error_t *err)
{
    int       e;
    sigset_t  all, before;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);

    e = pthread_create(thread, NULL, run, data);

    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);

    if (e != 0) {
        return wh_error_set(err, WH_AGAIN, "cannot start a thread: %s",
                            strerror(e));
    }

    return WH_OK;
}
