#include "base/watchdog.h"
#include "base/clock.h"

#include <pthread.h>


typedef struct {
    int64_t  since;      /* wh_clock(); 0: the first step has not begun */
    int64_t  longer;     /* ms on top of a step */
    int      disk;
} wh_watchdog_t;


static void wh_watchdog_set(int64_t longer, int disk);


static wh_watchdog_t    wh_watchdog;
static pthread_mutex_t  wh_watchdog_lock = PTHREAD_MUTEX_INITIALIZER;


void
wh_watchdog_step(void)
{
    wh_watchdog_set(0, 0);
}


void
wh_watchdog_wait(int64_t ms)
{
    wh_watchdog_set(ms, 0);
}


void
wh_watchdog_disk(void)
{
    wh_watchdog_set(0, 1);
}


static void
wh_watchdog_set(int64_t longer, int disk)
{
    (void) pthread_mutex_lock(&wh_watchdog_lock);

    wh_watchdog.since = wh_clock();
    wh_watchdog.longer = longer;
    wh_watchdog.disk = disk;

    (void) pthread_mutex_unlock(&wh_watchdog_lock);
}


int64_t
wh_watchdog_late(int64_t now, int64_t size)
{
    int64_t        end;
    wh_watchdog_t  w;

    (void) pthread_mutex_lock(&wh_watchdog_lock);
    w = wh_watchdog;
    (void) pthread_mutex_unlock(&wh_watchdog_lock);

    end = w.since + WH_WATCHDOG_STEP + w.longer;

    if (w.disk) {
        end += WH_WATCHDOG_DISK + (size > 0 ? size / WH_WATCHDOG_RATE : 0);
    }

    return (w.since > 0 && now > end) ? now - end : 0;
}
