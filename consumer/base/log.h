/*
 * The daemon's log: one line an event, to stderr or to a file that can be
 * reopened.  The lines of a batch are collected and written at once.
 */

#ifndef WH_LOG_H
#define WH_LOG_H

#include <stddef.h>

#include "wh_error.h"


typedef enum {
    WH_LOG_ERROR = 0,
    WH_LOG_WARN,
    WH_LOG_NOTICE,
    WH_LOG_INFO
} wh_log_level_t;


/* Opens path for appending; "stderr" is stderr.  WH_OK, WH_ERROR. */
int wh_log_open(const char *path, wh_error_t *err);

/*
 * Opens the file again under the same name, after a rotation.  On failure
 * the old file stays in use and the log says so.
 */
void wh_log_reopen(void);

/* Writes one line at once. */
void wh_log(wh_log_level_t level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Collects one line of len bytes at level WH_LOG_INFO, of one thread;
 * wh_log_flush() writes what was collected, wh_log_discard() forgets it.
 * WH_OK; WH_AGAIN: there is no room before one of these.
 */
int wh_log_collect(const char *line, size_t len);
void wh_log_flush(void);
void wh_log_discard(void);

/* The descriptor in use, for a signal handler's last words. */
int wh_log_fd(void);


#endif
