/*
 * A slice of the batch in hand, normally all of it: what goes into one
 * transaction of Kafka's and one of SQLite's.
 */

#ifndef WH_SLICE_H
#define WH_SLICE_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"
#include "kafka/positions.h"
#include "session/handles.h"
#include "wh_error.h"


typedef struct {
    wh_handles_t    *handles;
    size_t           first;     /* of its commands, in the ... */
    size_t           count;     /* ... batch, and how many */
    wh_positions_t   next;      /* offsets behind it */
    int64_t          counts[WH_STAT_LAST];
    int64_t          stored;    /* position in notifications */
    int64_t          sent;      /* and behind those sent */
    int64_t          published; /* ms the last one took; -wh_clock() when ... */
                                /* ... it began, until it is committed */
} wh_slice_t;


/*
 * Takes a slice through both commits, logs its outcomes, and moves the
 * assignment's positions.  The caller sets handles, first, count, next and
 * counts[WH_STAT_CONFLICTS].  WH_OK; WH_CONFLICT: another process wrote an
 * item: roll back and try again; WH_AGAIN, WH_ERROR,
 * WH_FENCED, WH_NOMEM.
 */
int wh_slice_commit(wh_slice_t *slice, wh_error_t *err);


#endif
