/*
 * The differences between what a database holds and what was replayed.
 */

#ifndef WH_COMPARE_H
#define WH_COMPARE_H

#include <stdint.h>

#include "conf/conf.h"
#include "verify/held.h"
#include "wh_error.h"


/*
 * Attaches the file with the replay, which nobody else writes, so that it may
 * be removed from its folder; wh_compare_then() keeps what is in it then, when it
 * stands for what the database does, beside what comes into it later.
 * WH_OK, or as wh_schema_fail(), also where asked to stop.
 */
int wh_compare_then(wh_held_t *held, const char *file, wh_error_t *err);

/*
 * Compares, the replay now having all notifications: the items are the same, each
 * key is remembered as it was used, and no command is to be processed again.
 * Each difference is a line at the standard output.  What the topic has
 * compacted since the database was copied, and what a database has ahead of its
 * position, is none, as far as later notifications bear it out.
 * WH_OK, or as wh_schema_fail(), also where asked to stop; WH_ERROR: the output
 * cannot be written.
 */
int wh_compare(wh_held_t *held, const wh_conf_t *conf, const char *file,
    int64_t *differences, wh_error_t *err);


#endif
