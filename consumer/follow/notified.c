#include "follow/notified.h"
#include "kafka/headers.h"


static void wh_notified_key(const rd_kafka_message_t *m, wh_notified_t *n);
static int64_t wh_notified_time(const rd_kafka_message_t *m,
    const wh_header_t *header);


int
wh_notified_decode(const rd_kafka_message_t *m, wh_notified_t *n,
    wh_error_t *err)
{
    int  rc;

    rc = wh_notification_decode(m->payload ? m->payload : "", m->len,
                                &n->notification, err);
    if (rc == WH_OK) {
        wh_notified_key(m, n);
    }

    return rc;
}


static void
wh_notified_key(const rd_kafka_message_t *m, wh_notified_t *n)
{
    wh_header_t  headers[2];

    headers[0].name = WH_KEY_HEADER;
    headers[1].name = WH_NOTIFICATION_TIME;

    n->keyed = 0;
    n->time = 0;

    if (wh_headers_find(m, headers, 2) != WH_OK
        || headers[0].n != 1 || headers[0].value == NULL
        || wh_key_set(&n->key, headers[0].value, headers[0].len, NULL)
           != WH_OK)
    {
        return;
    }

    n->keyed = 1;
    n->time = wh_notified_time(m, &headers[1]);
}


/* When the command was written; for want of that, its notification. */

static int64_t
wh_notified_time(const rd_kafka_message_t *m, const wh_header_t *header)
{
    int64_t                    time;
    rd_kafka_timestamp_type_t  type;

    if (header->n == 1 && header->value != NULL
        && wh_notification_time(header->value, header->len, &time) == WH_OK)
    {
        return time;
    }

    return rd_kafka_message_timestamp(m, &type);
}
