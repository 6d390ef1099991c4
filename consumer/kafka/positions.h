/*
 * Offsets by partition, of one topic: found at once, however many partitions
 * there are.
 */

#ifndef WH_POSITIONS_H
#define WH_POSITIONS_H

#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "wh_error.h"


#define WH_PARTITIONS_MAX  1000000    /* more than any cluster has */


/* Zeroed it is empty; wh_positions_free() leaves it so. */

typedef struct {
    int64_t   *offsets;       /* by partition; -1: none */
    int32_t    room;
    int32_t   *partitions;    /* those that have one, in the order they came */
    int32_t    n;
} wh_positions_t;


void wh_positions_free(wh_positions_t *positions);

/* Forgets all offsets, not the room. */
void wh_positions_clear(wh_positions_t *positions);

/* The offset of a partition, any number; -1: there is none. */
int64_t wh_positions_get(const wh_positions_t *positions, int32_t partition);

/*
 * Sets the offset of a partition, from 0 on.  wh_positions_raise() leaves a
 * larger one alone.  WH_OK; WH_NOMEM; WH_ERROR: none has that number.
 */
int wh_positions_set(wh_positions_t *positions, int32_t partition,
    int64_t offset, wh_error_t *err);
int wh_positions_raise(wh_positions_t *positions, int32_t partition,
    int64_t offset, wh_error_t *err);

/* The same as a list of librdkafka's, which the caller destroys. */
rd_kafka_topic_partition_list_t *wh_positions_list(
    const wh_positions_t *positions, const char *topic);


#endif
