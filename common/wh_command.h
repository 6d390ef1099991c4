/*
 * A command and a notification, as they travel: decoding and writing.
 * The rules are those of the HTTP contract; the module and the daemon apply
 * the same ones, so a command that was accepted is never malformed later.
 */

#ifndef WH_COMMAND_H
#define WH_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "wh_error.h"
#include "wh_sku.h"
#include "wh_text.h"


#define WH_QTY_MAX   INT64_C(9007199254740991)    /* 2^53-1: RFC 7493 §2.2 */

#define WH_REFERENCE_MAX  255                     /* bytes */

/* the texts of one command, each with a NUL behind it */
#define WH_COMMAND_TEXTS  (WH_SKU_MAX + 1 + WH_REFERENCE_MAX + 1)

/* of one command, every byte of its texts escaped */
#define WH_COMMAND_LEN                                                        \
    (sizeof("{\"action\":\"increase\",\"sku\":\"\",\"qty\":,"                      \
            "\"expected_version\":,\"expected_qty\":,\"reference\":\"\"}")         \
     + 6 * WH_SKU_MAX + 6 * WH_REFERENCE_MAX + 3 * 20)

/* of a position; a topic's name is at most 249 bytes */
#define WH_SOURCE_LEN  512

/* of one notification */
#define WH_NOTIFICATION_LEN  (WH_COMMAND_LEN + WH_SOURCE_LEN + 64)


/* header of a notification with a key: when its command was written, ms */
#define WH_NOTIFICATION_TIME  "source-timestamp"


typedef enum {
    WH_INCREASE = 0,
    WH_DECREASE
} wh_action_t;


/* Texts are UTF-8 and NUL-terminated. */

typedef struct {
    wh_action_t  action;
    int64_t      qty;                    /* 1..WH_QTY_MAX */
    int64_t      expected_version;       /* its conditions, ... */
    int64_t      expected_qty;           /* ... 0..WH_QTY_MAX; -1: none */
    size_t       sku_len;                /* bytes, 1..WH_SKU_MAX */
    const char  *sku;
    size_t       reference_len;          /* bytes, 0..WH_REFERENCE_MAX */
    const char  *reference;              /* the client's own; NULL: none */
} wh_command_t;


/* Decoded, the command's texts point to texts: so no copies by assignment. */

typedef struct {
    wh_command_t  command;
    char          texts[WH_COMMAND_TEXTS];
    int64_t       stock;        /* after the command, 0..WH_QTY_MAX */
    int64_t       version;      /* of the item, after the command, from 1 */
    char          topic[256];   /* the command's position: topic, ... */
    int32_t       partition;
    int64_t       offset;
} wh_notification_t;


/*
 * Decodes len bytes of JSON.  WH_OK; WH_EJSON (not JSON: HTTP 400);
 * WH_ECOMMAND (JSON, not a command: HTTP 422); WH_NOMEM.  On WH_EJSON and
 * WH_ECOMMAND err has reason and text, and pointer where a field is to blame.
 * texts has room for WH_COMMAND_TEXTS bytes: the command's texts are put there,
 * one behind the other, wh_command_texts() bytes in all.
 */
int wh_command_decode(const char *text, size_t len, wh_command_t *command,
    char *texts, wh_error_t *err);
size_t wh_command_texts(const wh_command_t *command);

/* True if it has a condition. */
int wh_command_conditional(const wh_command_t *command);

/* The same for a notification, with the same results. */
int wh_notification_decode(const char *text, size_t len,
    wh_notification_t *notification, wh_error_t *err);

/*
 * Reads the value of the header WH_NOTIFICATION_TIME, len bytes: digits, at
 * most WH_QTY_MAX.  WH_OK; WH_ECOMMAND: it is no such time.
 */
int wh_notification_time(const char *text, size_t len, int64_t *time);

/*
 * Put the canonical JSON of a command or notification: at most WH_COMMAND_LEN
 * and WH_NOTIFICATION_LEN bytes.
 */
void wh_command_put(wh_text_t *text, const wh_command_t *command);
void wh_notification_put(wh_text_t *text, const wh_notification_t *n);

/*
 * The parts they consist of, for other texts: a command without its braces; a
 * position with its topic, at most WH_SOURCE_LEN bytes.
 */
void wh_command_put_fields(wh_text_t *text, const wh_command_t *command);
void wh_source_put(wh_text_t *text, const char *topic, int32_t partition,
    int64_t offset);


#endif
