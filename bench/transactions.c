/*
 * Bare transactions of one message, one after the other:
 *     transactions BROKERS TOPIC COUNT NAME
 * NAME is the transactional.id.  What a message holds as its qty is the time
 * when its transaction began; visible.c reads it.
 */

#include "bench.h"

#include <inttypes.h>
#include <stdio.h>


static void
run(char **argv)
{
    int                n;
    char               value[128];
    int64_t            count;
    rd_kafka_t        *rk;
    rd_kafka_topic_t  *topic;

    const char *const  properties[] = {
        "transactional.id", argv[4], "socket.nagle.disable", "true",
        "retry.backoff.ms", "10", NULL
    };

    count = bench_number(argv[3], 1);
    rk = bench_kafka(RD_KAFKA_PRODUCER, argv[1], properties, NULL);
    topic = rd_kafka_topic_new(rk, argv[2], NULL);

    bench_check("init_transactions", rd_kafka_init_transactions(rk, 30000));

    while (count-- > 0) {
        n = snprintf(value, sizeof(value), "{\"qty\":%" PRId64 "}",
                     bench_clock());

        bench_check("begin", rd_kafka_begin_transaction(rk));
        bench_produce(rk, topic, value, (size_t) n, NULL, 0, NULL);

        /* instead of waiting for more messages, as linger.ms would */
        bench_flush(rk);

        bench_check("commit", rd_kafka_commit_transaction(rk, -1));
    }

    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
}


int
main(int argc, char **argv)
{
    if (argc != 5) {
        bench_die("usage: transactions BROKERS TOPIC COUNT NAME");
    }

    run(argv);

    return 0;
}
