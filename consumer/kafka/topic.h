/*
 * Topics as the brokers have them: settings, rights, creating one.  Each question
 * is bounded in time.
 */

#ifndef WH_TOPIC_H
#define WH_TOPIC_H

#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "wh_error.h"


/* What happens to a topic's records, as the brokers have it. */

typedef struct {
    int      known;        /* false: they would not tell; the rest is 0 */
    int      compact;      /* cleanup.policy has it */
    int      deletes;
    int64_t  retention;    /* retention.ms; -1: for ever */
    int64_t  bytes;        /* retention.bytes; -1: any number */
    int64_t  lag;          /* min.compaction.lag.ms */
    int64_t  min_in_sync;  /* min.insync.replicas */
} wh_topic_policy_t;


/* A topic's policy.  WH_OK, WH_AGAIN. */
int wh_topic_get_policy(rd_kafka_t *rk, const char *topic,
    wh_topic_policy_t *policy, wh_error_t *err);


/* What the brokers allow us to do with a topic. */

typedef struct {
    int  known;            /* false: they do not tell */
    int  read;
    int  write;
} wh_topic_rights_t;


/*
 * Our rights in a topic.  WH_OK; WH_NONE: librdkafka before 2.3 cannot ask;
 * WH_AGAIN: no answer.
 */
int wh_topic_get_rights(rd_kafka_t *rk, const char *topic,
    wh_topic_rights_t *rights, wh_error_t *err);


/* A setting of a topic to be created; a list of them ends with NULL. */

typedef struct {
    const char  *name;
    const char  *value;
} wh_topic_setting_t;


/*
 * Creates a topic of one partition, with the brokers' replication factor.
 * WH_OK; WH_CONFLICT: it is there already; WH_AGAIN: no answer, or not
 * allowed.
 */
int wh_topic_create(rd_kafka_t *rk, const char *topic,
    const wh_topic_setting_t *settings, wh_error_t *err);


#endif
