#include "session/keeping.h"


static size_t wh_keeping_from(const wh_slice_t *slice);
static int64_t wh_keeping_behind(const wh_slice_t *slice);
static void wh_keeping_kept(wh_kept_t *kept, const wh_outcome_t *o);


int
wh_keeping_pack(wh_slice_t *slice, wh_error_t *err)
{
    int                  rc;
    size_t               i, from;
    wh_kept_t            kept;
    wh_handles_t        *h = slice->handles;
    const wh_outcome_t  *o;

    wh_keeper_begin(h->keeper, 1, slice->stored);

    rc = WH_OK;
    from = wh_keeping_from(slice);

    for (i = slice->first; rc == WH_OK && i < slice->first + slice->count; i++)
    {
        o = wh_batch_outcome(h->reader.now.batch, i);

        if (i >= from) {
            wh_keeping_kept(&kept, o);
            rc = wh_keeper_add(h->keeper, h->conf->commands_topic,
                               o->partition, &kept, err);

        } else if (o->verdict == WH_APPLIED) {
            wh_keeper_pass(h->keeper, o->notified);
        }
    }

    return rc;
}


/* The first command of the slice to be kept. */

static size_t
wh_keeping_from(const wh_slice_t *slice)
{
    int64_t  most;

    most = slice->handles->conf->outcomes - wh_keeping_behind(slice);

    if (most <= 0) {
        return slice->first + slice->count;
    }

    return ((int64_t) slice->count > most)
           ? slice->first + slice->count - (size_t) most : slice->first;
}


/* How many commands lie behind the slice, by what the last fetches told. */

static int64_t
wh_keeping_behind(const wh_slice_t *slice)
{
    int32_t                i, partition;
    int64_t                low, high, next, behind;
    const wh_handles_t    *h = slice->handles;
    const wh_positions_t  *all;

    behind = 0;
    all = &h->assignment.next;

    for (i = 0; i < all->n; i++) {
        partition = all->partitions[i];

        next = wh_positions_get(&slice->next, partition);

        if (next == -1) {
            next = wh_positions_get(all, partition);
        }

        if (rd_kafka_get_watermark_offsets(h->reader.consumer,
                                           h->conf->commands_topic, partition,
                                           &low, &high)
            == RD_KAFKA_RESP_ERR_NO_ERROR
            && high > next)
        {
            behind += high - next;
        }
    }

    return behind;
}


static void
wh_keeping_kept(wh_kept_t *kept, const wh_outcome_t *o)
{
    kept->verdict = o->verdict;
    kept->offset = o->offset;
    kept->command = o->command;
    kept->stock = o->stock;
    kept->version = o->version;
    kept->notified = o->notified;
    kept->reason = o->reason;

    if (o->verdict == WH_DUPLICATE) {
        kept->original = o->original;
    }
}
