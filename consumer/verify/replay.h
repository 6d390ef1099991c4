/*
 * The topic notifications, replayed into a database in a folder of its own.
 */

#ifndef WH_REPLAY_H
#define WH_REPLAY_H

#include <limits.h>
#include <stdint.h>

#include "conf/conf.h"
#include "wh_error.h"


typedef struct {
    char      folder[PATH_MAX];    /* "": there is none */
    char      path[PATH_MAX];      /* a daemon's would be published as that */
    char      file[PATH_MAX];      /* what was replayed is in it */
    uint64_t  read;                /* notifications */
} wh_replay_t;


/*
 * Replays those before offset next, which are those of cluster ("": any), from
 * the topic's beginning.  Nobody has the file open then.
 *
 * WH_OK; WH_AGAIN: brokers away, asked to stop; WH_ERROR: they are not all
 * there, or another cluster's, or one is no notification; WH_NOMEM.
 * wh_replay_remove() is due in any case.
 */
int wh_replay(wh_replay_t *replay, const wh_conf_t *conf, const char *cluster,
    int64_t next, wh_error_t *err);
void wh_replay_remove(wh_replay_t *replay);


#endif
