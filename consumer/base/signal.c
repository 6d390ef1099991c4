#include "base/signal.h"
#include "base/log.h"
#include "base/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


static volatile sig_atomic_t  wh_stop;
static volatile sig_atomic_t  wh_reopen;
static int                    wh_by_hand;


static void wh_signal_handler(int signo);


int
wh_signal_init(wh_error_t *err)
{
    size_t            i;
    struct sigaction  sa;

    static const int  signals[] = { SIGTERM, SIGINT, SIGUSR1, SIGALRM };

    memset(&sa, 0, sizeof(sa));
    (void) sigemptyset(&sa.sa_mask);

    sa.sa_handler = wh_signal_handler;

    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (sigaction(signals[i], &sa, NULL) == -1) {
            goto failed;
        }
    }

    sa.sa_handler = SIG_IGN;

    if (sigaction(SIGPIPE, &sa, NULL) == 0) {
        return WH_OK;
    }

failed:

    return wh_error_set(err, WH_ERROR, "sigaction: %s", strerror(errno));
}


int
wh_signal_by_hand(wh_error_t *err)
{
    struct sigaction  sa;

    wh_by_hand = 1;

    memset(&sa, 0, sizeof(sa));
    (void) sigemptyset(&sa.sa_mask);
    sa.sa_handler = wh_signal_handler;

    return (sigaction(SIGHUP, &sa, NULL) == 0) ? WH_OK
           : wh_error_set(err, WH_ERROR, "sigaction: %s", strerror(errno));
}


static void
wh_signal_handler(int signo)
{
    int                saved;
    ssize_t            n;
    static const char  text[] =
        "the stop took too long: leaving at once, the next start goes on "
        "from the last commit\n";

    saved = errno;

    switch (signo) {

    case SIGUSR1:
        wh_reopen = 1;
        break;

    case SIGALRM:
        n = write(wh_log_fd(), text, sizeof(text) - 1);
        (void) n;
        _exit(WH_EXIT_FORCED);

    default:
        if (!wh_stop) {
            wh_stop = 1;

            if (!wh_by_hand) {
                (void) alarm(WH_STOP_TIMEOUT);
            }
        }
        break;
    }

    errno = saved;
}


int
wh_stopping(void)
{
    return wh_stop;
}


void
wh_signal_serve(void)
{
    wh_watchdog_step();

    if (wh_reopen) {
        wh_reopen = 0;
        wh_log_reopen();
        wh_log(WH_LOG_NOTICE, "log reopened");
    }
}


void
wh_wait(int ms)
{
    struct timespec  ts;

    ts.tv_sec = ms / 1000;
    ts.tv_nsec = (long) (ms % 1000) * 1000000;

    (void) nanosleep(&ts, NULL);
}
