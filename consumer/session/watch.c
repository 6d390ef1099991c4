#include "session/watch.h"
#include "base/clock.h"
#include "base/figures.h"
#include "kafka/client.h"

#include <stdlib.h>


#define WH_WATCH_EVERY    1000     /* ms */
#define WH_WATCH_SILENCE  10000    /* ms, on top of what is asked most often */


static void wh_watch_partitions(const wh_handles_t *h, rd_kafka_t *consumer);


void
wh_watch(wh_handles_t *h, rd_kafka_t *consumer)
{
    int64_t  now, keys, outcomes;

    now = wh_clock();

    if (now < h->watched + WH_WATCH_EVERY) {
        return;
    }

    h->watched = now;

    wh_watch_partitions(h, consumer);

    if (wh_store_keys(h->store, &keys, NULL) != WH_OK) {
        keys = -1;
    }

    if (wh_store_outcomes(h->store, &outcomes, NULL) != WH_OK) {
        outcomes = -1;
    }

    wh_figures_keys(keys);
    wh_figures_outcomes(outcomes);
}


void
wh_watch_begin(wh_handles_t *h, rd_kafka_t *consumer)
{
    int64_t  fetch, heartbeat;

    /* what a consumer asks for without anybody's doing */

    fetch = wh_client_number(consumer, "fetch.wait.max.ms");
    heartbeat = wh_client_number(consumer, "heartbeat.interval.ms");

    h->silence = WH_WATCH_SILENCE + (fetch < heartbeat ? fetch : heartbeat);
    h->heard = wh_clock();
}


int
wh_watch_brokers(const wh_handles_t *h, wh_error_t *err)
{
    int64_t  now;

    now = wh_clock();

    if (now - h->heard > h->silence && now - h->committed > h->silence) {
        return wh_error_set(err, WH_AGAIN, "no broker has answered for %d s",
                            (int) (h->silence / 1000));
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
