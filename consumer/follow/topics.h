/*
 * The topics as they have to be: created where they are missing, refused where
 * they would lose commands, warned about where that may be meant.
 */

#ifndef WH_TOPICS_H
#define WH_TOPICS_H

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
#include "store/store.h"
#include "wh_error.h"


typedef struct {
    const wh_conf_t  *conf;
    wh_store_t       *store;      /* a topic that it knows is not made anew */
    rd_kafka_t       *admin;      /* any two handles */
    rd_kafka_t       *watcher;
    int               aloud;      /* the warnings have not been said yet */
} wh_topics_t;


/*
 * Checks all topics.  *partitions is the number of those of commands.
 * WH_OK; WH_AGAIN: no answer, or a topic is missing and cannot be created;
 * WH_ERROR: a topic is not as it must be.
 */
int wh_topics_check(const wh_topics_t *topics, int *partitions,
    wh_error_t *err);


#endif
