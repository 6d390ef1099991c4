/*
 * Reads a partition with read_committed from its beginning to its end, and
 * prints how many messages there were in how many seconds:
 *     consume BROKERS TOPIC
 */

#include "bench.h"

#include <inttypes.h>
#include <stdio.h>


int
main(int argc, char **argv)
{
    int64_t              count, start;
    rd_kafka_message_t  *m;

    if (argc != 3) {
        bench_die("usage: consume BROKERS TOPIC");
    }

    bench_reader_open(argv[1], "consume", argv[2], 0);

    count = 0;
    start = 0;

    while ((m = bench_consume()) != NULL) {
        if (count++ == 0) {
            start = bench_clock();
        }

        rd_kafka_message_destroy(m);
    }

    printf("{\"count\":%" PRId64 ",\"seconds\":%.3f}\n", count,
           (double) (bench_clock() - start) / 1e6);

    bench_reader_close();

    return 0;
}
