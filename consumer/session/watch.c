#include "session/watch.h"
#include "base/clock.h"
#include "base/figures.h"

#include <stdlib.h>


#define WH_WATCH_EVERY    1000     /* ms */
#define WH_WATCH_SILENCE  10000    /* ms: longer than any client is idle */


static void wh_watch_partitions(const wh_handles_t *h, rd_kafka_t *consumer);


void
wh_watch(wh_handles_t *h, rd_kafka_t *consumer)
{
    int64_t  now, keys;

    now = wh_clock();

    if (now < h->watched + WH_WATCH_EVERY) {
        return;
    }

    h->watched = now;

    wh_watch_partitions(h, consumer);

    if (wh_store_keys(h->store, &keys, NULL) != WH_OK) {
        keys = -1;
    }

    wh_figures_keys(keys);
}


int
wh_watch_brokers(const wh_handles_t *h, wh_error_t *err)
{
    int64_t  now;

    now = wh_clock();

    if (now - h->heard > WH_WATCH_SILENCE
        && now - h->committed > WH_WATCH_SILENCE)
    {
        return wh_error_set(err, WH_AGAIN, "no broker has answered for %d s",
                            WH_WATCH_SILENCE / 1000);
    }

    return WH_OK;
}


static void
wh_watch_partitions(const wh_handles_t *h, rd_kafka_t *consumer)
{
    int32_t                i;
    int64_t                low, high;
    wh_partition_t        *list;
    const wh_positions_t  *next;

    next = &h->assignment.next;

    list = malloc((size_t) (next->n + 1) * sizeof(wh_partition_t));
    if (list == NULL) {
        return;
    }

    for (i = 0; i < next->n; i++) {
        list[i].partition = next->partitions[i];
        list[i].next = wh_positions_get(next, next->partitions[i]);
        list[i].end = -1;

        if (rd_kafka_get_watermark_offsets(consumer, h->conf->commands_topic,
                                           list[i].partition, &low, &high)
            == RD_KAFKA_RESP_ERR_NO_ERROR
            && high >= 0)
        {
            list[i].end = high;
        }
    }

    wh_figures_partitions(list, next->n);
}
