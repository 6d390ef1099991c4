/*
 * How old notifications are when a read_committed reader gets them: their qty
 * is the time when they were due, see load.c and transactions.c.
 *     visible BROKERS TOPIC COUNT
 * Prints "ready" when it has reached the end of the topic, then waits for
 * COUNT messages.
 */

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static bench_times_t  times;


static void
message(const rd_kafka_message_t *m)
{
    char     text[1024];
    char    *qty;
    size_t   len;

    len = (m->len < sizeof(text)) ? m->len : sizeof(text) - 1;
    memcpy(text, m->payload, len);
    text[len] = '\0';

    qty = strstr(text, "\"qty\":");
    if (qty == NULL) {
        bench_die("no qty in %s", text);
    }

    bench_times_add(&times, bench_clock() - strtoll(qty + 6, NULL, 10));
}


int
main(int argc, char **argv)
{
    uint64_t             count;
    rd_kafka_message_t  *m;

    if (argc != 4) {
        bench_die("usage: visible BROKERS TOPIC COUNT");
    }

    count = (uint64_t) bench_number(argv[3], 1);
    bench_reader_open(argv[1], "visible", argv[2], RD_KAFKA_OFFSET_END);

    if (bench_consume() != NULL) {
        bench_die("messages came before it was ready");
    }

    puts("ready");
    fflush(stdout);

    while (times.count < count) {
        m = bench_consume();

        if (m != NULL) {
            message(m);
            rd_kafka_message_destroy(m);
        }
    }

    bench_times_print(&times);
    bench_reader_close();

    return 0;
}
