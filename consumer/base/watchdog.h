/*
 * The watchdog: the first thread tells what it goes on to do, and another one
 * can judge whether it is taking too long.
 */

#ifndef WH_WATCHDOG_H
#define WH_WATCHDOG_H

#include <stdint.h>


#define WH_WATCHDOG_STEP   120000    /* ms from one step to the next */
#define WH_WATCHDOG_DISK   600000    /* ms for work on the database, ... */
#define WH_WATCHDOG_RATE   1024      /* ... and one more for so many bytes of it */


/* A step is over: the next one takes WH_WATCHDOG_STEP at most. */
void wh_watchdog_step(void);

/* The wait for an answer that begins may take ms longer than a step. */
void wh_watchdog_wait(int64_t ms);

/* Work on the database begins, which takes the longer the larger it is. */
void wh_watchdog_disk(void);

/*
 * By another thread: for how many ms what the first thread does has taken too long, at time now,
 * of wh_clock(), and with a database of size bytes; 0: it has not.
 */
int64_t wh_watchdog_late(int64_t now, int64_t size);


#endif
