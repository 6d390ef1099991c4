/*
 * The log's line of a command: what became of it.
 */

#ifndef WH_LINE_H
#define WH_LINE_H

#include "ledger/outcome.h"
#include "wh_text.h"


/* of one line, at most */
#define WH_LINE_LEN  (WH_COMMAND_LEN + WH_KEY_MAX + 256)


void wh_line_put(wh_text_t *text, const wh_outcome_t *outcome);


#endif
