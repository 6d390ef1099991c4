/*
 * How transactions follow the load and the brokers: how many commands one may
 * have, fewer after one that failed or came near transaction.timeout.ms,
 * whatever made it slow (a quota, a thin link, a slow disk), and more again
 * when there is time; and how long to pause between two.
 */

#ifndef WH_PACE_H
#define WH_PACE_H

#include <stddef.h>
#include <stdint.h>


typedef struct {
    size_t   max;        /* commands in one, as configured */
    size_t   most;       /* for now, from 1 to max */

    int64_t  wait;       /* ms that the longest pause takes, as configured */
    double   rate;       /* commands a second */
    int64_t  counted;    /* when they were counted last, wh_clock() */
} wh_pace_t;


/* max commands, wait ms. */
void wh_pace_init(wh_pace_t *pace, size_t max, int64_t wait);

/*
 * A transaction of so many commands failed or was committed, ms after its
 * beginning; it had timeout ms.
 */
void wh_pace_failed(wh_pace_t *pace, size_t count, int64_t ms,
    int64_t timeout);
void wh_pace_committed(wh_pace_t *pace, size_t count, int64_t ms,
    int64_t timeout);

/* A session begins: nothing is counted from the one before. */
void wh_pace_restart(wh_pace_t *pace);

/* So many commands have come since the last time. */
void wh_pace_count(wh_pace_t *pace, size_t count);

/* The pause from one transaction's end to the next one's beginning, ms. */
int64_t wh_pace_pause(const wh_pace_t *pace);


#endif
