#include "follow/catch_up.h"
#include "base/log.h"
#include "base/signal.h"

#include <inttypes.h>


/* steps of following without anything to read, of 200 ms each */
#define WH_CATCH_UP_SAY      15
#define WH_CATCH_UP_SILENCE  300


int
wh_catch_up(wh_follow_t *f, int64_t high, wh_error_t *err)
{
    int      rc, silence;
    int64_t  position;

    silence = 0;

    while (wh_follow_position(f) < high) {

        if (wh_stopping()) {
            return wh_error_set(err, WH_AGAIN, "asked to stop");
        }

        position = wh_follow_position(f);

        rc = wh_follow_step(f, err);
        if (rc != WH_OK) {
            return rc;
        }

        wh_signal_serve();

        if (wh_follow_position(f) > position) {
            silence = 0;
            continue;
        }

        if (++silence == WH_CATCH_UP_SAY) {
            wh_log(WH_LOG_NOTICE, "waiting for notifications %" PRId64
                   " to %" PRId64 ": brokers away, or somebody's "
                   "transaction is open", position, high);
        }

        if (silence == WH_CATCH_UP_SILENCE) {
            return wh_error_set(err, WH_AGAIN, "notifications %" PRId64
                                " to %" PRId64 " do not come: brokers "
                                "away, or a transaction is open", position,
                                high);
        }
    }

    return WH_OK;
}
