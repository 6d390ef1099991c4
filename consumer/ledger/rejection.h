/*
 * The record of rejections_topic: why a command had no effect, for machines.
 * Refused and duplicate ones as a command with its circumstances, malformed
 * ones with their bytes in base64 (RFC 4648 §4).
 */

#ifndef WH_REJECTION_H
#define WH_REJECTION_H

#include <stddef.h>

#include "ledger/batch.h"


/* Bytes that wh_rejection_write() may need for an outcome. */
size_t wh_rejection_size(const wh_outcome_t *outcome);

/*
 * Writes the JSON of an outcome that is not WH_APPLIED to dst; topic is that
 * of the command.  Returns the number of bytes written; no NUL counts.
 */
size_t wh_rejection_write(char *dst, const wh_outcome_t *outcome,
    const char *topic);


#endif
