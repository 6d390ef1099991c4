/*
 * librdkafka handles: how each kind is configured, and the questions asked of
 * the brokers.  Every call is bounded in time and says why it failed.
 */

#ifndef WH_CLIENT_H
#define WH_CLIENT_H

#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "wh_conf.h"
#include "wh_error.h"


typedef enum {
    WH_CLIENT_PRODUCER = 1,    /* transactional, of notifications */
    WH_CLIENT_CONSUMER = 2,    /* group member, read_committed, of commands */
    WH_CLIENT_READER = 4,      /* assigned by hand, read_committed, with EOF */
    WH_CLIENT_WATCHER = 8      /* read_uncommitted: tells high watermarks */
} wh_client_kind_t;


/* What an owner wants to hear of; unused members are NULL. */

typedef struct {
    void  *opaque;

    void (*delivered)(rd_kafka_t *rk, const rd_kafka_message_t *message,
                      void *opaque);
    void (*rebalanced)(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                       rd_kafka_topic_partition_list_t *partitions,
                       void *opaque);
    rd_kafka_interceptor_f_on_new_t  *on_new;
} wh_callbacks_t;


/*
 * Creates a handle.  callbacks may be NULL.  WH_OK; WH_ERROR: a property is
 * wrong, err names it.  The caller closes it with wh_client_close(), which
 * accepts NULL and does not wait for the brokers.
 */
int wh_client_open(rd_kafka_t **rk, wh_client_kind_t kind,
    const wh_conf_t *conf, const wh_callbacks_t *callbacks, wh_error_t *err);
void wh_client_close(rd_kafka_t *rk);

/*
 * Creates and closes each kind without brokers, to find what librdkafka sees
 * only then: contradictions, missing files.  WH_OK, WH_ERROR.
 */
int wh_client_check(const wh_conf_t *conf, wh_error_t *err);

/*
 * Finds a header of a message.  Returns how many of that name there are;
 * where there is one, *value (maybe NULL) and *len are its bytes, which belong
 * to the message.
 */
int wh_client_header(const rd_kafka_message_t *message, const char *name,
    const char **value, size_t *len);

/*
 * Has librdkafka look at its queue.  Before 2.2 a fetcher that has filled it
 * sleeps for a second unless something comes to its thread, however empty the
 * queue gets meanwhile; a question to the leaders of the partitions does.
 * Returns at once.
 */
void wh_client_wake(rd_kafka_t *rk,
    const rd_kafka_topic_partition_list_t *partitions);

/* The cluster's id, at most size - 1 bytes.  WH_OK; WH_AGAIN: no answer. */
int wh_client_cluster_id(rd_kafka_t *rk, char *id, size_t size,
    wh_error_t *err);

/* A topic's number of partitions.  WH_OK; WH_AGAIN: no answer, no topic. */
int wh_client_partitions(rd_kafka_t *rk, const char *topic, int *count,
    wh_error_t *err);

/*
 * The low and high watermark of a partition; rk is of kind WH_CLIENT_WATCHER:
 * any other would get the last stable offset for the high one.
 * WH_OK, WH_AGAIN.
 */
int wh_client_watermarks(rd_kafka_t *rk, const char *topic, int partition,
    int64_t *low, int64_t *high, wh_error_t *err);

/*
 * The group's committed offsets of partitions 0..count-1, after waiting for
 * those that a transaction still holds.  *list belongs to the caller;
 * an offset of RD_KAFKA_OFFSET_INVALID means that there is none.
 * WH_OK, WH_AGAIN; then *list is NULL.
 */
int wh_client_committed(rd_kafka_t *rk, const char *topic, int count,
    rd_kafka_topic_partition_list_t **list, wh_error_t *err);

/*
 * Asks whether a topic's cleanup.policy says compact.  *compacted is -1 where
 * the brokers would not tell.  WH_OK, WH_AGAIN.
 */
int wh_client_compacted(rd_kafka_t *rk, const char *topic, int *compacted,
    wh_error_t *err);


#endif
