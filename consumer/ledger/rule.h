/*
 * The rule of the ledger, and what an idempotency key remembers of a command.
 */

#ifndef WH_RULE_H
#define WH_RULE_H

#include <stdint.h>

#include "store/store.h"
#include "wh_command.h"


/*
 * Applies command to item and returns NULL, or leaves item alone and returns
 * the reason why it is refused: a condition that does not hold comes first.
 */
const char *wh_apply(wh_item_t *item, const wh_command_t *command);

/* Fills use for a command that used its key at this time and position. */
void wh_use(wh_use_t *use, const wh_command_t *command, int64_t time,
    int32_t partition, int64_t offset);

/*
 * True if that was the same command: its reference is the client's own affair.
 */
int wh_use_repeated(const wh_use_t *use, const wh_command_t *command);


#endif
