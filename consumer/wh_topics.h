/*
 * The topics as they have to be: created where they are missing, refused where
 * they would lose commands, warned about where that may be meant.
 */

#ifndef WH_TOPICS_H
#define WH_TOPICS_H

#include <librdkafka/rdkafka.h>

#include "wh_conf.h"
#include "wh_error.h"


/*
 * Checks all topics, with questions to the brokers through watcher and admin,
 * any two handles.  *partitions is the number of those of commands; aloud is
 * false where the warnings have been said.
 * WH_OK; WH_AGAIN: no answer, or a topic is missing and cannot be created;
 * WH_ERROR: a topic is not as it must be.
 */
int wh_topics_check(const wh_conf_t *conf, rd_kafka_t *admin,
    rd_kafka_t *watcher, int aloud, int *partitions, wh_error_t *err);


#endif
