/*
 * Following the topic notifications: the one path by which a database that
 * is behind Kafka catches up, whatever the reason.
 */

#ifndef WH_FOLLOW_H
#define WH_FOLLOW_H

#include <stdint.h>

#include "conf/conf.h"
#include "store/store.h"
#include "wh_error.h"


/*
 * Reads notifications (read_committed) from the position stored in store up
 * to offset high, applies those newer than their items, and stores with them
 * the new positions: of notifications, and of commands behind each source.
 * Reading in more than one transaction, it first sets meta's state to
 * 'recovering'.  It is safe to repeat.
 *
 * WH_OK; WH_AGAIN: brokers away, or asked to stop; WH_ERROR: two different
 * outcomes of one version.
 */
int wh_follow(wh_store_t *store, const wh_conf_t *conf, int64_t high,
    wh_error_t *err);


#endif
