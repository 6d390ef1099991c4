#include "ledger/rule.h"

#include <stddef.h>


static int64_t wh_change(const wh_command_t *command);


const char *
wh_apply(wh_item_t *item, const wh_command_t *command)
{
    if (command->expected_version >= 0
        && command->expected_version != item->version)
    {
        return "version_mismatch";
    }

    if (command->expected_qty >= 0 && command->expected_qty != item->qty) {
        return "qty_mismatch";
    }

    if (command->action == WH_DECREASE) {

        if (item->version == 0) {
            return "unknown_sku";
        }

        if (command->qty > item->qty) {
            return "insufficient_stock";
        }

        item->qty -= command->qty;

    } else {

        if (command->qty > WH_QTY_MAX - item->qty) {
            return "stock_limit";
        }

        item->qty += command->qty;
    }

    item->version++;

    return NULL;
}


void
wh_use(wh_use_t *use, const wh_command_t *command, int64_t time,
    int32_t partition, int64_t offset)
{
    use->change = wh_change(command);
    use->expected_version = command->expected_version;
    use->expected_qty = command->expected_qty;
    use->time = time;
    use->partition = partition;
    use->offset = offset;
}


int
wh_use_repeated(const wh_use_t *use, const wh_command_t *command)
{
    return use->change == wh_change(command)
           && use->expected_version == command->expected_version
           && use->expected_qty == command->expected_qty;
}


/* Its qty, negative for a decrease. */

static int64_t
wh_change(const wh_command_t *command)
{
    return (command->action == WH_DECREASE) ? -command->qty : command->qty;
}
