#include "ledger/message.h"
#include "ledger/rejection.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static int wh_message_notification(wh_text_t *text, const wh_outcome_t *o,
    const char *topic);


int
wh_message_write(wh_message_t *m, const wh_outcome_t *o, const char *topic,
    wh_error_t *err)
{
    int        rc;
    size_t     size;
    wh_text_t  text;

    m->notification = (o->verdict == WH_APPLIED);
    m->key = (o->verdict != WH_MALFORMED) ? o->command.sku : NULL;
    m->key_len = (o->verdict != WH_MALFORMED) ? o->command.sku_len : 0;
    m->idempotency_key = o->key;
    m->traceparent = o->traceparent;
    m->tracestate = o->tracestate;
    m->offset = NULL;
    m->time[0] = '\0';
    m->allocated = NULL;

    /*
     * With the key goes the time it counts from: who rebuilds a database from
     * notifications has to forget it when we do.
     */

    if (m->notification && o->key != NULL) {
        (void) snprintf(m->time, sizeof(m->time), "%" PRId64, o->time);
    }

    if (m->notification) {
        wh_text_init(&text, m->buffer, sizeof(m->buffer));
        rc = wh_message_notification(&text, o, topic);

    } else {
        size = wh_rejection_size(o);
        m->allocated = malloc(size);

        if (m->allocated == NULL) {
            /* one may be large, and the next session has more room */
            return wh_error_set(err, WH_AGAIN, "out of memory");
        }

        wh_text_init(&text, m->allocated, size);
        wh_rejection_put(&text, o, topic);
        rc = WH_OK;
    }

    if (rc != WH_OK || text.full) {
        wh_message_free(m);
        return wh_error_set(err, WH_ERROR, "the message of %s:%d:%" PRId64
                            " is too long", topic, (int) o->partition,
                            o->offset);
    }

    m->text = text.start;
    m->len = wh_text_len(&text);

    return WH_OK;
}


static int
wh_message_notification(wh_text_t *text, const wh_outcome_t *o,
    const char *topic)
{
    size_t             len;
    wh_notification_t  notification;

    len = strlen(topic);

    if (len >= sizeof(notification.topic)) {
        return WH_ERROR;
    }

    notification.command = o->command;
    notification.stock = o->stock;
    notification.version = o->version;
    notification.partition = o->partition;
    notification.offset = o->offset;

    memcpy(notification.topic, topic, len + 1);

    wh_notification_put(text, &notification);

    return WH_OK;
}


void
wh_message_free(wh_message_t *m)
{
    free(m->allocated);
    m->allocated = NULL;
}
