/*
 * Copies COUNT messages from one topic to another, BATCH in a transaction, with
 * the daemon's properties; prints the seconds from the first message to the
 * last commit:
 *     copy BROKERS FROM TO COUNT NAME BATCH COMPRESSION
 * NAME is the group and the transactional.id, COMPRESSION a compression.type.
 */

#include "bench.h"

#include <stdio.h>


static void
copy(char **argv)
{
    int64_t                              batch, count, done, n, next, start;
    rd_kafka_t                          *out;
    rd_kafka_topic_t                    *topic;
    rd_kafka_message_t                  *m;
    rd_kafka_topic_partition_list_t     *offsets;
    rd_kafka_consumer_group_metadata_t  *metadata;

    const char *const  producer[] = {
        "transactional.id", argv[5], "socket.nagle.disable", "true",
        "retry.backoff.ms", "10", "queue.buffering.max.messages", "1000000",
        "partitioner", "murmur2_random", "compression.type", argv[7], NULL
    };

    count = bench_number(argv[4], 1);
    batch = bench_number(argv[6], 1);

    out = bench_kafka(RD_KAFKA_PRODUCER, argv[1], producer, NULL);
    topic = rd_kafka_topic_new(out, argv[3], NULL);
    metadata = rd_kafka_consumer_group_metadata_new(argv[5]);
    offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, argv[2], 0);

    bench_check("init_transactions", rd_kafka_init_transactions(out, 30000));
    bench_reader_open(argv[1], argv[5], argv[2], 0);

    start = 0;

    for (done = 0; done < count; done += n) {

        bench_check("begin", rd_kafka_begin_transaction(out));
        next = 0;

        for (n = 0; n < batch && done + n < count; n++) {
            m = bench_consume();
            if (m == NULL) {
                break;
            }

            if (start == 0) {
                start = bench_clock();
            }

            next = m->offset + 1;
            bench_produce(out, topic, m->payload, m->len, m->key, m->key_len,
                          NULL);
            rd_kafka_message_destroy(m);
        }

        bench_flush(out);

        if (n > 0) {
            offsets->elems[0].offset = next;
            bench_check("offsets",
                        rd_kafka_send_offsets_to_transaction(out, offsets,
                                                             metadata, -1));
        }

        bench_check("commit", rd_kafka_commit_transaction(out, -1));
    }

    printf("{\"seconds\":%.3f}\n", (double) (bench_clock() - start) / 1e6);

    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_consumer_group_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(out);
    bench_reader_close();
}


int
main(int argc, char **argv)
{
    if (argc != 8) {
        bench_die("usage: copy BROKERS FROM TO COUNT NAME BATCH "
                  "COMPRESSION");
    }

    copy(argv);

    return 0;
}
