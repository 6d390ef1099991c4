/*
 * What is used of librdkafka's statistics (STATISTICS.md there): the brokers,
 * which come first.  What follows has some kilobytes for each partition, and is
 * not looked at; a broker has less than a hundred bytes for each of its own.
 */

#ifndef WH_STATS_H
#define WH_STATS_H

#include <stddef.h>
#include <stdint.h>


typedef struct {
    int      up;          /* brokers with a connection */
    int64_t  idle;        /* us since one of them has sent something; -1: none */
} wh_stats_t;


/*
 * Reads a JSON text of len bytes.  WH_OK; WH_EJSON: it is none, or has no
 * brokers, or there is no memory.
 */
int wh_stats_parse(wh_stats_t *stats, const char *text, size_t len);


#endif
