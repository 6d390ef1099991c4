#include "verify/verify.h"
#include "verify/compare.h"
#include "verify/held.h"
#include "verify/replay.h"

#include <inttypes.h>
#include <stdio.h>


static int wh_verify_replay(const wh_conf_t *conf, wh_held_t *held,
    int64_t *differences, wh_error_t *err);


int
wh_verify_run(const wh_conf_t *conf, int64_t *differences, wh_error_t *err)
{
    int        rc;
    wh_held_t  held;

    rc = wh_held_copy(&held, conf, err);

    if (rc == WH_OK) {
        printf("database \"%s\": %" PRId64 " item%s, stands for notifications "
               "before %" PRId64 "\n", conf->database, held.items,
               held.items == 1 ? "" : "s", held.next);

        rc = wh_verify_replay(conf, &held, differences, err);
    }

    wh_held_close(&held);

    return rc;
}


static int
wh_verify_replay(const wh_conf_t *conf, wh_held_t *held, int64_t *differences,
    wh_error_t *err)
{
    int          rc;
    wh_replay_t  replay;

    rc = wh_replay_begin(&replay, conf, held->cluster, held->next, err);

    if (rc == WH_OK) {
        rc = wh_replay(&replay, conf, held->next, err);
    }

    if (rc == WH_OK) {
        printf("topic \"%s\": %" PRIu64 " notifications replayed\n",
               conf->notifications_topic, replay.read);

        rc = wh_compare_then(held, replay.file, err);
    }

    if (rc == WH_OK && replay.high > held->next) {
        rc = wh_replay(&replay, conf, replay.high, err);
    }

    if (rc == WH_OK) {
        rc = wh_compare(held, conf, replay.file, differences, err);
    }

    wh_replay_remove(&replay);

    return rc;
}
