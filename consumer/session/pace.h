/*
 * How many commands one transaction may have: fewer after one that failed or
 * came near transaction.timeout.ms, whatever made it slow (a quota, a thin
 * link, a slow disk), and more again when there is time.
 */

#ifndef WH_PACE_H
#define WH_PACE_H

#include <stddef.h>
#include <stdint.h>


typedef struct {
    size_t   max;        /* as configured */
    size_t   most;       /* for now, from 1 to max */
} wh_pace_t;


void wh_pace_init(wh_pace_t *pace, size_t max);

/*
 * A transaction of so many commands failed or was committed, ms after its
 * beginning; it had timeout ms.
 */
void wh_pace_failed(wh_pace_t *pace, size_t count, int64_t ms,
    int64_t timeout);
void wh_pace_committed(wh_pace_t *pace, size_t count, int64_t ms,
    int64_t timeout);


#endif
