/*
 * A clock that only goes forward.
 */

#ifndef WH_CLOCK_H
#define WH_CLOCK_H

#include <stdint.h>


/* Milliseconds, microseconds since some moment. */
int64_t wh_clock(void);
int64_t wh_clock_us(void);


#endif
