/*
 * What the daemon tells others every second, whatever the first thread waits
 * for: its metrics, by a thread that writes a file beside the database, and by
 * another one its status, and that it is alive, to the service manager.
 */

#ifndef WH_REPORTER_H
#define WH_REPORTER_H

#include "conf/conf.h"
#include "wh_error.h"


typedef struct wh_reporter_s  wh_reporter_t;

/*
 * Starts the threads, which have all signals blocked.  conf outlives it.  Where
 * the file cannot be written the log says so, once, and the daemon goes on.
 * WH_OK, WH_NOMEM, WH_ERROR.  wh_reporter_stop() removes the file, and takes
 * NULL.
 */
int wh_reporter_start(wh_reporter_t **reporter, const wh_conf_t *conf,
    wh_error_t *err);
void wh_reporter_stop(wh_reporter_t *reporter);


#endif
