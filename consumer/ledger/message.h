/*
 * The message that tells of an outcome: a notification of an applied command,
 * a rejection of any other.
 */

#ifndef WH_MESSAGE_H
#define WH_MESSAGE_H

#include <stddef.h>

#include "ledger/outcome.h"


typedef struct {
    int          notification;      /* false: a rejection */
    const char  *key;               /* the outcome's, like the next; ... */
    size_t       key_len;           /* ... NULL and 0: none */
    const char  *idempotency_key;   /* header WH_KEY_HEADER; NULL: none */
    const char  *traceparent;       /* header WH_TRACE_PARENT; NULL: none */
    const char  *tracestate;        /* header WH_TRACE_STATE; NULL: none */
    char         time[24];          /* header WH_NOTIFICATION_TIME; "": none */
    int64_t     *offset;            /* where the one it gets goes, or NULL */
    const char  *text;
    size_t       len;
    char        *allocated;         /* the text, where there is no room for ... */
    char         buffer[WH_NOTIFICATION_LEN];               /* ... it here */
} wh_message_t;


/*
 * Makes the message of an outcome; topic is that of the command.  It is good
 * while the outcome is, and to be freed.  WH_OK; WH_AGAIN: out of memory;
 * WH_ERROR: it got too long.
 */
int wh_message_write(wh_message_t *message, const wh_outcome_t *outcome,
    const char *topic, wh_error_t *err);
void wh_message_free(wh_message_t *message);


#endif
