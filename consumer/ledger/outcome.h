/*
 * What became of a command.
 */

#ifndef WH_OUTCOME_H
#define WH_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#include "wh_command.h"
#include "wh_kept.h"
#include "wh_key.h"
#include "wh_trace.h"


/* of a malformed command's bytes, those that are kept for a rejection */
#define WH_VALUE_MAX  (256 * 1024)

/* What became of the command at one position. */

typedef struct {
    wh_verdict_t   verdict;
    int32_t        partition;
    int64_t        offset;
    const char    *reason;       /* unless applied: a word for machines */
    wh_command_t   command;      /* unless malformed */
    char          *key;          /* idempotency key, or NULL */
    char          *traceparent;  /* as it came, or NULL; with it ... */
    char          *tracestate;   /* ... this, or NULL */
    int64_t        time;         /* of the record, ms since 1970 */
    int64_t        stock;        /* after the command; malformed: 0 */
    int64_t        version;      /* after the command; malformed: 0 */
    int64_t        notified;     /* offset of its notification; -1: not known */

    union {
        wh_position_t  original;     /* duplicate: the command it repeats */

        struct {
            char          *value;    /* its first WH_VALUE_MAX bytes, or NULL */
            size_t         len;      /* how many there were */
        } malformed;
    };
} wh_outcome_t;


#endif
