/*
 * The record of rejections_topic: why a command had no effect, for machines.
 * Refused and duplicate ones as a command with its circumstances, malformed
 * ones with their bytes in base64 (RFC 4648 §4).
 */

#ifndef WH_REJECTION_H
#define WH_REJECTION_H

#include <stddef.h>

#include "ledger/outcome.h"
#include "wh_text.h"


/* Bytes that the record of an outcome may have. */
size_t wh_rejection_size(const wh_outcome_t *outcome);

/*
 * Puts the JSON of an outcome that is not WH_APPLIED; topic is that of the
 * command.
 */
void wh_rejection_put(wh_text_t *text, const wh_outcome_t *outcome,
    const char *topic);


#endif
