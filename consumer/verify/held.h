/*
 * What a database holds, copied, to be compared once it has gone on.
 */

#ifndef WH_HELD_H
#define WH_HELD_H

#include <stdint.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "conf/conf.h"
#include "wh_error.h"


typedef struct {
    sqlite3      *db;              /* with temporary tables held_* */
    struct stat   file;            /* that was opened */
    char          cluster[128];    /* "": none yet */
    int64_t       next;            /* it stands for notifications before that */
    int64_t       items;           /* how many it has */
} wh_held_t;


/*
 * Copies items, keys and positions in one transaction.  WH_OK; WH_NONE: there is
 * nothing in it; WH_AGAIN: it is busy, is being opened, was replaced; WH_ERROR:
 * it cannot be read, or stands for other topics than the configured ones;
 * WH_NOMEM.  wh_held_close() is due in any case.
 */
int wh_held_copy(wh_held_t *held, const wh_conf_t *conf, wh_error_t *err);
void wh_held_close(wh_held_t *held);

/* A column, also a number, as a text; NULL is "".  As sqlite3_column_text(). */
const char *wh_held_text(sqlite3_stmt *stmt, int column);


#endif
