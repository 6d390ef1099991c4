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
    uint64_t  read;                /* notifications, the last time */
    int64_t   high;                /* the topic's end when it was asked for */
} wh_replay_t;


/*
 * Begins: the topic has all notifications from its first one to offset next, as
 * far as they are not compacted, and is that of cluster ("": any).
 * WH_OK; WH_AGAIN: brokers away; WH_ERROR: it has not, or is another's.
 * wh_replay_remove() is due in any case.
 */
int wh_replay_begin(wh_replay_t *replay, const wh_conf_t *conf,
    const char *cluster, int64_t next, wh_error_t *err);

/*
 * Replays those before offset next, from where it is.  Nobody has the file open
 * then.  WH_OK; WH_AGAIN: brokers away, asked to stop; WH_ERROR: one is no
 * notification, or two contradict each other; WH_NOMEM.
 */
int wh_replay(wh_replay_t *replay, const wh_conf_t *conf, int64_t next,
    wh_error_t *err);
void wh_replay_remove(wh_replay_t *replay);


#endif
