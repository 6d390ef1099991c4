/*
 * The time from handing a message to librdkafka to its delivery report, at a
 * rate, with the module's properties:
 *     acks BROKERS TOPIC RATE SECONDS
 * Times count from when a message was due, not from when it was sent.
 */

#include "bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>


static bench_times_t  times;
static int64_t        wanted;


static void
delivered(const rd_kafka_message_t *message)
{
    bench_times_add(&times, bench_clock() - (int64_t) message->_private);
}


static void *
poll_reports(void *data)
{
    while ((int64_t) times.count < wanted) {
        rd_kafka_poll(data, 100);
    }

    return NULL;
}


int
main(int argc, char **argv)
{
    int                n, k;
    char               key[32], value[128];
    int64_t            i, rate, due, now, start;
    pthread_t          thread;
    rd_kafka_t        *rk;
    rd_kafka_topic_t  *topic;

    static const char *const  properties[] = {
        "linger.ms", "0.5", "message.timeout.ms", "5000",
        "socket.nagle.disable", "true", "enable.idempotence", "true",
        "acks", "all", "partitioner", "murmur2_random", NULL
    };

    if (argc != 5) {
        bench_die("usage: acks BROKERS TOPIC RATE SECONDS");
    }

    rate = bench_number(argv[3], 1);
    wanted = rate * bench_number(argv[4], 1);

    rk = bench_kafka(RD_KAFKA_PRODUCER, argv[1], properties, delivered);
    topic = rd_kafka_topic_new(rk, argv[2], NULL);

    prctl(PR_SET_TIMERSLACK, 1);

    if (pthread_create(&thread, NULL, poll_reports, rk) != 0) {
        bench_die("no thread");
    }

    start = bench_clock() + 500000;

    for (i = 0; i < wanted; i++) {
        due = start + i * 1000000 / rate;
        now = bench_clock();

        if (now < due) {
            bench_sleep_until(due - now > BENCH_TICK ? due : now + BENCH_TICK);
        }

        k = snprintf(key, sizeof(key), "SKU%" PRId64, i % 1000);
        n = snprintf(value, sizeof(value), "{\"action\":\"increase\","
                     "\"sku\":\"%s\",\"qty\":%" PRId64 "}", key, due);

        bench_produce(rk, topic, value, (size_t) n, key, (size_t) k,
                      (void *) due);
    }

    pthread_join(thread, NULL);
    bench_times_print(&times);

    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);

    return 0;
}
