/*
 * An idempotency key: what a client sends along so that a command it repeats
 * takes effect once.  draft-ietf-httpapi-idempotency-key-header.
 */

#ifndef WH_KEY_H
#define WH_KEY_H

#include <stddef.h>

#include "wh_error.h"


#define WH_KEY_MAX     255                 /* characters */
#define WH_KEY_HEADER  "idempotency-key"   /* of a Kafka message */


typedef struct {
    size_t  len;                     /* 1..WH_KEY_MAX */
    char    text[WH_KEY_MAX + 1];    /* visible ASCII, NUL-terminated */
} wh_key_t;


/*
 * Takes len bytes as a key: WH_OK; WH_ECOMMAND: they are not 1 to 255 visible
 * ASCII characters (0x21..0x7E); err has reason and text.
 */
int wh_key_set(wh_key_t *key, const char *text, size_t len, wh_error_t *err);

/*
 * The same for the value of an HTTP field, with or without blanks around it
 * (RFC 9110 §5.6.3): the characters themselves, or in
 * double quotes, where a backslash stands before '"' and '\' (the String of
 * RFC 8941 §3.3.3).
 */
int wh_key_parse(wh_key_t *key, const char *value, size_t len,
    wh_error_t *err);


#endif
