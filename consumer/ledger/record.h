/*
 * A record of commands, and what is known of its outcome from it alone.
 */

#ifndef WH_RECORD_H
#define WH_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "ledger/outcome.h"
#include "wh_error.h"


/* One record of commands, as it was read; nothing in it is owned. */

typedef struct {
    const char    *value;        /* NULL: there is none */
    size_t         len;          /* bytes */
    const char    *key;          /* idempotency key, unchecked; NULL: none */
    size_t         key_len;
    const char    *traceparent;  /* unchecked; NULL: none */
    size_t         traceparent_len;
    const char    *tracestate;   /* the same */
    size_t         tracestate_len;
    int64_t        time;         /* ms since 1970 */
    int32_t        partition;
    int64_t        offset;
    const char    *odd;          /* why it is malformed, static; NULL: look */
} wh_record_t;


/*
 * Decodes a record: the outcome is WH_MALFORMED, or WH_APPLIED for the time
 * being; keep: with the bytes of a malformed one.  The command's texts go to
 * texts, see wh_command_decode(); the rest is the outcome's, to be freed.
 * WH_OK, WH_NOMEM.
 */
int wh_record_decode(const wh_record_t *record, int keep,
    wh_outcome_t *outcome, char *texts, wh_error_t *err);
void wh_outcome_free(wh_outcome_t *outcome);


#endif
