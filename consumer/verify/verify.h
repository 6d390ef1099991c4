/*
 * "warehouse-consumer verify": compares a database with all of the topic
 * notifications, replayed, and names every difference.
 */

#ifndef WH_VERIFY_H
#define WH_VERIFY_H

#include <stdint.h>

#include "conf/conf.h"
#include "wh_error.h"


/*
 * Copies what the database at conf->database holds, replays the notifications
 * that it stands for into a database of its own, and writes each difference as
 * a line to the standard output, whose number goes to *differences.  Neither
 * the database nor anything at the brokers is changed, nor is the database held
 * up: after the copy it is left alone.  Needs room in TMPDIR (or /var/tmp) for
 * twice the database.
 *
 * WH_OK; WH_NONE, WH_ERROR: they cannot be compared, err says why; WH_AGAIN:
 * brokers away, a file is busy, or asked to stop; WH_NOMEM.
 */
int wh_verify_run(const wh_conf_t *conf, int64_t *differences,
    wh_error_t *err);


#endif
