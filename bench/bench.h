/*
 * What the programs of the benchmarks share: times and their distribution,
 * and librdkafka handles.  Whatever fails ends the program.
 */

#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#include <librdkafka/rdkafka.h>


/* exact up to 127 us, then to 1/64 of the value, up to 2^40 us */
#define BENCH_STEPS  (35 * 64)


/* us: the least sleep; a timer for each request would take a core by itself */
#define BENCH_TICK  100


typedef struct {
    uint64_t  count;
    int64_t   max;                   /* us */
    uint64_t  steps[BENCH_STEPS];
} bench_times_t;


void bench_die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* CLOCK_MONOTONIC, the same in all processes, us. */
int64_t bench_clock(void);

/* Sleeps until the clock shows time, us. */
void bench_sleep_until(int64_t time);

/* A number of the command line, at least min. */
int64_t bench_number(const char *arg, int64_t min);

/* Counts one duration, us. */
void bench_times_add(bench_times_t *times, int64_t us);

/* The duration that a share of all (0.99) does not exceed, us. */
int64_t bench_times_at(const bench_times_t *times, double share);

/* Prints {"count":…,"p50":…,"p99":…,"max":…} and a newline; us. */
void bench_times_print(const bench_times_t *times);

/*
 * A handle with the properties name, value, ..., NULL; for a producer
 * delivered may be NULL, and a message that is not delivered ends the program.
 */
rd_kafka_t *bench_kafka(rd_kafka_type_t type, const char *brokers,
    const char *const *properties,
    void (*delivered)(const rd_kafka_message_t *message));

/* Copies a message to the topic; waits where the queue is full. */
void bench_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, const void *value,
    size_t len, const void *key, size_t key_len, void *opaque);

/* Waits until all messages are delivered. */
void bench_flush(rd_kafka_t *rk);

/*
 * The process's one reader: a read_committed consumer with the daemon's
 * properties, of partition 0 of a topic from offset.
 */
void bench_reader_open(const char *brokers, const char *group,
    const char *topic, int64_t offset);
void bench_reader_close(void);

/*
 * The next message, for the caller to destroy; NULL: the end of the partition, for now.  Has librdkafka
 * look at its queue now and then, as wh_query_wake() of the daemon does.
 */
rd_kafka_message_t *bench_consume(void);

/* A connection to a port of loopback. */
int bench_connect(int port);

/* Ends the program if error is one. */
void bench_check(const char *what, rd_kafka_error_t *error);


#endif
