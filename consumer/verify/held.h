/*
 * What a database holds, copied, to be compared once it has gone on.
 */

#ifndef WH_HELD_H
#define WH_HELD_H

#include <stdint.h>

#include <sqlite3.h>

#include "conf/conf.h"
#include "wh_error.h"


typedef struct {
    sqlite3  *db;              /* with temporary tables held_* */
    char      cluster[128];    /* "": none yet */
    int64_t   next;            /* it stands for notifications before that */
    int64_t   items;           /* how many it has */
} wh_held_t;


/*
 * Copies items, keys and positions in one transaction.  WH_OK; WH_NONE: there is
 * nothing in it; WH_AGAIN: it is busy, or is being opened; WH_ERROR; WH_NOMEM.
 * wh_held_close() is due in any case.
 */
int wh_held_copy(wh_held_t *held, const wh_conf_t *conf, wh_error_t *err);
void wh_held_close(wh_held_t *held);

/*
 * Compares with a database of this schema in a file that nobody has open: the
 * items are the same, each key is remembered as it was used, and no command is
 * to be processed again.  Each difference is a line at the standard output.
 * WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM.
 */
int wh_held_compare(wh_held_t *held, const wh_conf_t *conf, const char *file,
    int64_t *differences, wh_error_t *err);


#endif
