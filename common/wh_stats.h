/*
 * What is used of librdkafka's statistics (STATISTICS.md there).
 */

#ifndef WH_STATS_H
#define WH_STATS_H

#include <stddef.h>
#include <stdint.h>


typedef struct {
    int      up;          /* brokers with a connection */
    int64_t  idle;        /* us since one of them has sent something; -1: none */
} wh_stats_t;


#define WH_STATS_MAX  (512 * 1024)    /* bytes: some hundred partitions */


/*
 * Reads a JSON text of len bytes.  WH_OK; WH_EJSON: it is none, or longer than
 * WH_STATS_MAX, or there is no memory.
 */
int wh_stats_parse(wh_stats_t *stats, const char *text, size_t len);


#endif
