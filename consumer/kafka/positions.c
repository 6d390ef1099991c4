#include "kafka/positions.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>


#define WH_POSITIONS_FEW  16


static int wh_positions_grow(wh_positions_t *p, int32_t partition,
    wh_error_t *err);


void
wh_positions_free(wh_positions_t *p)
{
    free(p->offsets);
    free(p->partitions);
    memset(p, 0, sizeof(wh_positions_t));
}


void
wh_positions_clear(wh_positions_t *p)
{
    while (p->n > 0) {
        p->offsets[p->partitions[--p->n]] = -1;
    }
}


int64_t
wh_positions_get(const wh_positions_t *p, int32_t partition)
{
    return (partition >= 0 && partition < p->room) ? p->offsets[partition] : -1;
}


int
wh_positions_set(wh_positions_t *p, int32_t partition, int64_t offset,
    wh_error_t *err)
{
    int  rc;

    if (offset < 0) {
        return wh_error_set(err, WH_ERROR, "there is no offset %" PRId64,
                            offset);
    }

    rc = wh_positions_grow(p, partition, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (p->offsets[partition] == -1) {
        p->partitions[p->n++] = partition;
    }

    p->offsets[partition] = offset;

    return WH_OK;
}


int
wh_positions_raise(wh_positions_t *p, int32_t partition, int64_t offset,
    wh_error_t *err)
{
    if (offset <= wh_positions_get(p, partition)) {
        return WH_OK;
    }

    return wh_positions_set(p, partition, offset, err);
}


static int
wh_positions_grow(wh_positions_t *p, int32_t partition, wh_error_t *err)
{
    int32_t   i, room, *partitions;
    int64_t  *offsets;

    if (partition >= 0 && partition < p->room) {
        return WH_OK;
    }

    if (partition < 0 || partition >= WH_PARTITIONS_MAX) {
        return wh_error_set(err, WH_ERROR, "there is no partition %d",
                            (int) partition);
    }

    room = (p->room == 0) ? WH_POSITIONS_FEW : p->room;

    while (room <= partition) {
        room *= 2;
    }

    offsets = realloc(p->offsets, (size_t) room * sizeof(int64_t));
    if (offsets == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    p->offsets = offsets;

    partitions = realloc(p->partitions, (size_t) room * sizeof(int32_t));
    if (partitions == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    p->partitions = partitions;

    for (i = p->room; i < room; i++) {
        offsets[i] = -1;
    }

    p->room = room;

    return WH_OK;
}


rd_kafka_topic_partition_list_t *
wh_positions_list(const wh_positions_t *p, const char *topic)
{
    int32_t                           i;
    rd_kafka_topic_partition_list_t  *list;

    list = rd_kafka_topic_partition_list_new(p->n);

    for (i = 0; i < p->n; i++) {
        rd_kafka_topic_partition_list_add(list, topic, p->partitions[i])
            ->offset = p->offsets[p->partitions[i]];
    }

    return list;
}
