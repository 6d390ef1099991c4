#include "daemon.h"
#include "base/fail.h"
#include "base/figures.h"
#include "base/log.h"
#include "base/manager.h"
#include "base/signal.h"
#include "session/pace.h"
#include "session/session.h"
#include "instance.h"
#include "reporter.h"

#include <string.h>


#define WH_BACKOFF_MIN   100     /* ms between two sessions */
#define WH_BACKOFF_MAX   5000


/* What outlives a session. */

typedef struct {
    const wh_conf_t  *conf;
    wh_store_file_t   whole;      /* see wh_store_check() */
    wh_pace_t         pace;
    int               backoff;    /* ms to the next session */
} wh_daemon_t;


static int wh_daemon_session(wh_daemon_t *d, wh_error_t *err);
static int wh_daemon_end(const wh_conf_t *conf, int rc, const wh_error_t *err);


int
wh_daemon_run(const wh_conf_t *conf)
{
    int             rc;
    wh_error_t      err;
    wh_daemon_t     d;
    wh_instance_t   instance;
    wh_reporter_t  *reporter;

    reporter = NULL;
    memset(&d, 0, sizeof(wh_daemon_t));

    d.conf = conf;
    d.backoff = WH_BACKOFF_MIN;
    wh_pace_init(&d.pace, (size_t) conf->batch_size, conf->batch_wait);

    rc = wh_instance_claim(&instance, conf, &err);

    if (rc == WH_OK) {
        wh_figures_state(WH_STARTING);
        rc = wh_reporter_start(&reporter, conf, &err);
    }

    if (rc == WH_OK) {

        /* what may take long from now on is asked of the metrics */

        wh_manager_ready();
        rc = WH_AGAIN;
    }

    while (rc == WH_AGAIN && !wh_stopping()) {

        rc = wh_daemon_session(&d, &err);

        if (rc == WH_AGAIN && !wh_stopping()) {
            wh_figures_state(WH_WAITING);
            wh_figures_restart();
            wh_log(WH_LOG_WARN, "%s; trying again in %d ms", err.text,
                   d.backoff);
            wh_wait(d.backoff);
            wh_signal_serve();

            d.backoff = (d.backoff * 2 < WH_BACKOFF_MAX) ? d.backoff * 2
                                                         : WH_BACKOFF_MAX;
        }
    }

    wh_manager_stopping();

    (void) wh_fail(WH_OK, "stopping", &err);

    wh_reporter_stop(reporter);
    wh_instance_release(&instance);

    return wh_daemon_end(conf, rc, &err);
}


static int
wh_daemon_session(wh_daemon_t *d, wh_error_t *err)
{
    int           rc;
    wh_session_t  s;

    rc = wh_session_open(&s, d->conf, &d->whole, &d->pace, err);

    while (rc == WH_OK && !wh_stopping()) {
        wh_signal_serve();
        rc = wh_session_step(&s, err);
    }

    if (rc == WH_FENCED && !wh_session_replaced(&s)) {
        rc = WH_AGAIN;
    }

    if (s.handles.worked) {
        d->backoff = WH_BACKOFF_MIN;
    }

    if (wh_stopping()) {
        wh_manager_stopping();
    }

    wh_session_close(&s);

    return rc;
}


/* The last line of the log.  Returns the exit status. */

static int
wh_daemon_end(const wh_conf_t *conf, int rc, const wh_error_t *err)
{
    if (rc == WH_OK || rc == WH_AGAIN) {
        wh_log(WH_LOG_NOTICE, "stopped, as asked");
        return WH_EXIT_OK;
    }

    if (rc == WH_FENCED) {
        wh_log(WH_LOG_ERROR, "stopped: another process runs with group_id "
               "\"%s\" and has taken over: %s", conf->group_id, err->text);
        return WH_EXIT_FENCED;
    }

    wh_log(WH_LOG_ERROR, "stopped: %s", err->text);

    return WH_EXIT_ERROR;
}
