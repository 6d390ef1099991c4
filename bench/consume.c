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
    rd_kafka_t          *rk;
    rd_kafka_message_t  *m;

    static const char *const  properties[] = {
        "group.id", "consume", "socket.nagle.disable", "true",
        "queued.max.messages.kbytes", "16384", "fetch.wait.max.ms", "100",
        "enable.auto.commit", "false", "enable.auto.offset.store", "false",
        "isolation.level", "read_committed", "enable.partition.eof", "true",
        NULL
    };

    if (argc != 3) {
        bench_die("usage: consume BROKERS TOPIC");
    }

    rk = bench_kafka(RD_KAFKA_CONSUMER, argv[1], properties, NULL);
    bench_assign(rk, argv[2], 0);

    count = 0;
    start = 0;

    while ((m = bench_consume(rk)) != NULL) {
        if (count++ == 0) {
            start = bench_clock();
        }

        rd_kafka_message_destroy(m);

        if (count % 10000 == 0) {
            bench_wake(rk, argv[2]);
        }
    }

    printf("{\"count\":%" PRId64 ",\"seconds\":%.3f}\n", count,
           (double) (bench_clock() - start) / 1e6);

    rd_kafka_destroy(rk);

    return 0;
}
