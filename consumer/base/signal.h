/*
 * Signals and waiting: what the operator asked for, seen between two steps.
 */

#ifndef WH_SIGNAL_H
#define WH_SIGNAL_H

#include "wh_error.h"


/*
 * Installs the handlers: SIGTERM and SIGINT ask to stop, SIGUSR1 to reopen
 * the log, SIGPIPE is ignored.  A stop that takes longer than WH_STOP_TIMEOUT
 * seconds ends the process where it stands, with status WH_EXIT_FORCED: the
 * next start recovers, as after a crash.  WH_OK, WH_ERROR.
 */
int wh_signal_init(wh_error_t *err);

#define WH_STOP_TIMEOUT  8
#define WH_EXIT_FORCED   4

/*
 * For what is run by hand: SIGHUP asks to stop, too (a terminal that is closed),
 * and a stop may take its time.  WH_OK, WH_ERROR.
 */
int wh_signal_by_hand(wh_error_t *err);

/* True once the daemon was asked to stop. */
int wh_stopping(void);

/* Between two steps: reopens the log if that was asked for. */
void wh_signal_serve(void);

/* Waits ms milliseconds, or until a signal comes. */
void wh_wait(int ms);


#endif
