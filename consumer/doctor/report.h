/*
 * What doctor has found, for people line by line, or as one JSON object.
 */

#ifndef WH_REPORT_H
#define WH_REPORT_H

#include "wh_error.h"


typedef enum {
    WH_FOUND_OK = 0,
    WH_FOUND_WARNING,     /* works, but not as well or as long as it should */
    WH_FOUND_ERROR        /* does not work */
} wh_found_t;


typedef struct wh_report_s  wh_report_t;

/*
 * json: findings are kept until wh_report_end(), and printed on stdout at once
 * otherwise.  WH_OK, WH_NOMEM.
 */
int wh_report_start(wh_report_t **report, int json, wh_error_t *err);

/*
 * One finding about what, a few words; advice says how to mend it, and may be
 * NULL.  The rest is as for printf().
 */
void wh_report(wh_report_t *report, wh_found_t found, const char *what,
    const char *advice, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/*
 * Prints the end, frees report, and tells the worst that was found.  WH_OK;
 * WH_ERROR: it cannot be printed.
 */
int wh_report_end(wh_report_t *report, wh_found_t *worst, wh_error_t *err);


#endif
