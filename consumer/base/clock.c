#include "base/clock.h"

#include <time.h>


int64_t
wh_clock(void)
{
    return wh_clock_us() / 1000;
}


int64_t
wh_clock_us(void)
{
    struct timespec  ts;

    /* it cannot fail for this clock and a valid pointer */
    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
