/*
 * A record of the topic notifications, decoded: the notification, and the
 * idempotency key that its command used.
 */

#ifndef WH_NOTIFIED_H
#define WH_NOTIFIED_H

#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "wh_command.h"
#include "wh_error.h"
#include "wh_key.h"


/* Not to be copied: see wh_notification_t. */

typedef struct {
    wh_notification_t  notification;
    int                keyed;        /* there is a key */
    wh_key_t           key;
    int64_t            time;         /* the key counts from it, ms since 1970 */
} wh_notified_t;


/*
 * Decodes a message.  WH_OK; WH_EJSON, WH_ECOMMAND: it is no notification, err
 * says why; WH_NOMEM.
 */
int wh_notified_decode(const rd_kafka_message_t *message,
    wh_notified_t *notified, wh_error_t *err);


#endif
