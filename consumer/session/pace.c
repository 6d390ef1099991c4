#include "session/pace.h"
#include "base/clock.h"
#include "base/log.h"


#define WH_PACE_MARKERS  3       /* ms: what writing those takes */
#define WH_PACE_CALM     2000    /* commands/s: no batch waits for more */
#define WH_PACE_BUSY     10000   /* commands/s: it waits as long as it may */
#define WH_PACE_MEAN     100     /* ms that the rate is a mean of */


static void wh_pace_less(wh_pace_t *pace, size_t count);


void
wh_pace_init(wh_pace_t *pace, size_t max, int64_t wait)
{
    pace->max = max;
    pace->most = max;
    pace->wait = wait;

    wh_pace_restart(pace);
}


/* One that failed soon did not because it was too large. */

void
wh_pace_failed(wh_pace_t *pace, size_t count, int64_t ms, int64_t timeout)
{
    if (ms >= timeout / 4) {
        wh_pace_less(pace, count);
    }
}


void
wh_pace_committed(wh_pace_t *pace, size_t count, int64_t ms, int64_t timeout)
{
    if (ms > timeout / 2) {
        wh_pace_less(pace, count);

    } else if (pace->most < pace->max && ms < timeout / 4
               && count >= pace->most / 2)
    {
        /* a small one that was quick says nothing about a large one */

        pace->most = (pace->most < pace->max / 2) ? pace->most * 2 : pace->max;

        if (pace->most == pace->max) {
            wh_log(WH_LOG_NOTICE, "transactions are as large as configured "
                   "again");
        }
    }
}


static void
wh_pace_less(wh_pace_t *pace, size_t count)
{
    if (count > pace->most) {
        count = pace->most;
    }

    if (count < 2) {
        return;
    }

    pace->most = count / 2;

    wh_log(WH_LOG_NOTICE, "at most %zu commands in a transaction for now",
           pace->most);
}


void
wh_pace_restart(wh_pace_t *pace)
{
    pace->rate = 0;
    pace->counted = 0;
}


void
wh_pace_count(wh_pace_t *pace, size_t count)
{
    double   ms, rate;
    int64_t  now;

    now = wh_clock();
    ms = (double) (now - pace->counted);

    if (pace->counted != 0 && ms > 0) {
        rate = (double) count * 1000 / ms;
        pace->rate += (rate - pace->rate) * ms / (ms + WH_PACE_MEAN);
    }

    pace->counted = now;
}


/*
 * A transaction that begins before the brokers have written the markers of the
 * one before is refused, and librdkafka tries again after 20 ms; so a moment is
 * waited for more commands instead.  Where many come it may be longer: each
 * transaction costs the machine as much as some hundred commands.
 */

int64_t
wh_pace_pause(const wh_pace_t *pace)
{
    double   share;
    int64_t  pause;

    share = (pace->rate - WH_PACE_CALM) / (WH_PACE_BUSY - WH_PACE_CALM);
    share = (share < 0) ? 0 : (share > 1) ? 1 : share;

    pause = (int64_t) (share * (double) pace->wait);

    return (pause > WH_PACE_MARKERS) ? pause : WH_PACE_MARKERS;
}
