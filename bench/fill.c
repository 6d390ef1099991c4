/*
 * Fills a topic with commands:
 *     fill BROKERS TOPIC COUNT SKUS SEED
 * Three of four are increases by 1 to 20, the others decreases by 1.
 */

#include "bench.h"

#include <inttypes.h>
#include <stdio.h>


int
main(int argc, char **argv)
{
    int                n, k;
    char               key[32], value[128];
    int64_t            count, skus;
    uint64_t           r;
    rd_kafka_t        *rk;
    rd_kafka_topic_t  *topic;

    static const char *const  properties[] = {
        "linger.ms", "20", "batch.num.messages", "100000",
        "batch.size", "900000", "queue.buffering.max.messages", "500000",
        "enable.idempotence", "true", "partitioner", "murmur2_random", NULL
    };

    if (argc != 6) {
        bench_die("usage: fill BROKERS TOPIC COUNT SKUS SEED");
    }

    count = bench_number(argv[3], 1);
    skus = bench_number(argv[4], 1);
    r = (uint64_t) bench_number(argv[5], 0) * 2 + 1;

    rk = bench_kafka(RD_KAFKA_PRODUCER, argv[1], properties, NULL);
    topic = rd_kafka_topic_new(rk, argv[2], NULL);

    while (count-- > 0) {
        /* Knuth's MMIX generator; its high bits are the random ones */
        r = r * 6364136223846793005u + 1442695040888963407u;

        k = snprintf(key, sizeof(key), "SKU%" PRIu64,
                     (r >> 24) % (uint64_t) skus);

        if (r >> 62 == 0) {
            n = snprintf(value, sizeof(value), "{\"action\":\"decrease\","
                         "\"sku\":\"%s\",\"qty\":1}", key);
        } else {
            n = snprintf(value, sizeof(value), "{\"action\":\"increase\","
                         "\"sku\":\"%s\",\"qty\":%d}", key,
                         (int) (r >> 56) % 20 + 1);
        }

        bench_produce(rk, topic, value, (size_t) n, key, (size_t) k, NULL);

        if (count % 1000 == 0) {
            rd_kafka_poll(rk, 0);
        }
    }

    bench_flush(rk);

    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);

    return 0;
}
