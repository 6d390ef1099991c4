#include "session/pace.h"
#include "base/log.h"


static void wh_pace_less(wh_pace_t *pace, size_t count);


void
wh_pace_init(wh_pace_t *pace, size_t max)
{
    pace->max = max;
    pace->most = max;
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
