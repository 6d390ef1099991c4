/*
 * librdkafka handles: how each kind is configured.
 */

#ifndef WH_CLIENT_H
#define WH_CLIENT_H

#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "conf/conf.h"
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
    /* connections that fail, which then are not logged */
    void (*failed)(rd_kafka_t *rk, int code, const char *reason,
                   void *opaque);
    int (*stats)(rd_kafka_t *rk, char *json, size_t len, void *opaque);
    rd_kafka_interceptor_f_on_new_t  *on_new;
    void                             *on_new_opaque;
} wh_callbacks_t;


/*
 * Creates a handle, whose properties wh_client_check() has found right.
 * callbacks may be NULL.  WH_OK; WH_AGAIN: a file that they name is not there or
 * not right now, err names the property.  The caller closes it with wh_client_close(), which
 * accepts NULL and does not wait for the brokers.
 */
int wh_client_open(rd_kafka_t **rk, wh_client_kind_t kind,
    const wh_conf_t *conf, const wh_callbacks_t *callbacks, wh_error_t *err);
void wh_client_close(rd_kafka_t *rk);

/*
 * Creates and closes a producer and a group member without brokers, to find
 * what librdkafka sees only then: contradictions, missing files.  WH_OK, WH_ERROR.
 */
int wh_client_check(const wh_conf_t *conf, wh_error_t *err);

/* The value that a handle has for a property which is a number. */
int64_t wh_client_number(rd_kafka_t *rk, const char *name);


#endif
