/*
 * The daemon: sessions with the brokers, one after the other, until there is no
 * point in another one.
 */

#ifndef WH_DAEMON_H
#define WH_DAEMON_H

#include "conf/conf.h"


/* Exit statuses; 4 is WH_EXIT_FORCED. */

#define WH_EXIT_OK      0    /* asked to stop */
#define WH_EXIT_CONF    1    /* configuration or arguments are wrong */
#define WH_EXIT_ERROR   2    /* an operator has to act; the log says how */
#define WH_EXIT_FENCED  3    /* another process has taken this one's place */
#define WH_EXIT_DIFFERS 5    /* verify has found differences */


/*
 * Runs until asked to stop or until going on would break a promise.
 * Returns an exit status; the last log line says why.
 */
int wh_daemon_run(const wh_conf_t *conf);


#endif
