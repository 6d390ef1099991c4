#include "ledger/line.h"


static void wh_line_position(wh_text_t *t, const char *name,
    int32_t partition, int64_t offset);


/* One for each command, so without printf(), which is slow. */

void
wh_line_put(wh_text_t *t, const wh_outcome_t *o)
{
    static const char *const  verdicts[] = {
        [WH_APPLIED] = "Processed and notified: ",
        [WH_REFUSED] = "Refused: ",
        [WH_DUPLICATE] = "Duplicate: ",
        [WH_MALFORMED] = "Malformed: reason=",
    };

    wh_text_put(t, verdicts[o->verdict]);

    if (o->verdict == WH_MALFORMED) {
        wh_text_put(t, o->reason);

    } else {
        wh_command_put(t, &o->command);
    }

    if (o->verdict == WH_REFUSED) {
        wh_text_put(t, " reason=");
        wh_text_put(t, o->reason);
    }

    if (o->verdict == WH_DUPLICATE) {
        wh_text_put(t, " idempotency_key=");
        wh_text_put(t, o->key);
        wh_line_position(t, " original=", o->original.partition,
                         o->original.offset);
    }

    if (o->verdict != WH_MALFORMED) {
        wh_text_put(t, " stock=");
        wh_text_int(t, o->stock);
    }

    if (o->verdict == WH_APPLIED) {
        wh_text_put(t, " version=");
        wh_text_int(t, o->version);
    }

    wh_line_position(t, " position=", o->partition, o->offset);
}


static void
wh_line_position(wh_text_t *t, const char *name, int32_t partition,
    int64_t offset)
{
    wh_text_put(t, name);
    wh_text_int(t, partition);
    wh_text_put(t, ":");
    wh_text_int(t, offset);
}
