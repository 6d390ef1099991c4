/*
 * The headers of a message, in one pass and with a limit.
 */

#ifndef WH_HEADERS_H
#define WH_HEADERS_H

#include <stddef.h>

#include <librdkafka/rdkafka.h>

#include "wh_error.h"


/* of one message; a thousand times what anybody needs */
#define WH_HEADERS_MAX  1000


/* A header that is looked for, and what was found. */

typedef struct {
    const char  *name;
    int          n;          /* how many of that name there are */
    const char  *value;      /* the last one's, the message's; maybe NULL */
    size_t       len;        /* bytes */
} wh_header_t;


/*
 * Looks for headers of a message, in one pass: count of them, whose names the
 * caller sets.  WH_OK; WH_ERROR: the message has more than WH_HEADERS_MAX.
 */
int wh_headers_find(const rd_kafka_message_t *message, wh_header_t *headers,
    size_t count);


#endif
