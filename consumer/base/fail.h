/*
 * Failpoints: places where a test has the daemon die, stand still, fail or
 * wait.  They exist in builds with -DWH_FAILPOINTS only.
 */

#ifndef WH_FAIL_H
#define WH_FAIL_H

#include "wh_error.h"


#ifdef WH_FAILPOINTS

/*
 * Reads the variable WAREHOUSE_FAIL: entries "point:action[@n]", separated by
 * commas, for the n-th time (the first) that the point is passed.  Actions:
 *
 *     kill, stop    the process gets SIGKILL or SIGSTOP
 *     error         the point fails with WH_AGAIN
 *     wait=MS       the thread sleeps for MS milliseconds
 *
 * "list" prints the points and exits, anything else wrong exits with a text.
 */
void wh_fail_init(void);

/* Passes the point if rc is WH_OK; returns rc, or what the point makes of it. */
int wh_fail(int rc, const char *point, wh_error_t *err);

#else

static inline void
wh_fail_init(void)
{
    /* void */
}


static inline int
wh_fail(int rc, const char *point, wh_error_t *err)
{
    (void) point;
    (void) err;

    return rc;
}

#endif


#endif
