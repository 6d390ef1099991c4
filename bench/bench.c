#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


#define BENCH_SILENCE  60000    /* ms without a message or a report */
#define BENCH_WAKE     10000    /* messages: half of the reader's queue */
#define BENCH_TAKE     500      /* messages taken in one go */


/* The one reader of a process. */

typedef struct {
    rd_kafka_t                       *rk;
    rd_kafka_queue_t                 *queue;
    rd_kafka_topic_partition_list_t  *partition;
    rd_kafka_message_t               *messages[BENCH_TAKE];
    ssize_t                           taken;
    ssize_t                           given;       /* of those */
    uint64_t                          consumed;
} bench_reader_t;


static void (*bench_delivered)(const rd_kafka_message_t *message);

static bench_reader_t  reader;


static void bench_take(void);
static void bench_wake(void);


void
bench_die(const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fputc('\n', stderr);
    exit(1);
}


int64_t
bench_clock(void)
{
    struct timespec  now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}


void
bench_sleep_until(int64_t time)
{
    struct timespec  until;

    until.tv_sec = time / 1000000;
    until.tv_nsec = time % 1000000 * 1000;

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL)
           == EINTR)
    {
        /* void */
    }
}


int64_t
bench_number(const char *arg, int64_t min)
{
    char     *end;
    int64_t   n;

    n = strtoll(arg, &end, 10);

    if (*arg == '\0' || *end != '\0' || n < min) {
        bench_die("\"%s\" is not a number from %" PRId64, arg, min);
    }

    return n;
}


/*
 * Values below 128 have a step each; then every power of two has 64:
 *
 *     128, 130, 132 … 254, 256, 260 … 508, 512, 520 …
 */

void
bench_times_add(bench_times_t *t, int64_t us)
{
    int  power, step;

    if (us < 0) {
        us = 0;
    }

    power = (us < 128) ? 0 : 63 - __builtin_clzll((uint64_t) us) - 6;
    step = power * 64 + (int) (us >> power);

    if (step >= BENCH_STEPS) {
        step = BENCH_STEPS - 1;
    }

    t->steps[step]++;
    t->count++;

    if (us > t->max) {
        t->max = us;
    }
}


int64_t
bench_times_at(const bench_times_t *t, double share)
{
    int       step, power;
    uint64_t  seen, wanted;

    seen = 0;
    wanted = (uint64_t) ((double) t->count * share);

    for (step = 0; step < BENCH_STEPS - 1; step++) {
        seen += t->steps[step];

        if (seen > wanted) {
            break;
        }
    }

    if (step < 128) {
        return step;
    }

    power = step / 64 - 1;

    return (int64_t) (step - power * 64) << power;
}


void
bench_times_print(const bench_times_t *t)
{
    printf("{\"count\":%" PRIu64 ",\"p50\":%" PRId64 ",\"p99\":%" PRId64
           ",\"max\":%" PRId64 "}\n", t->count, bench_times_at(t, 0.5),
           bench_times_at(t, 0.99), t->max);
}


static void
bench_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void) rk;
    (void) opaque;

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        bench_die("not delivered: %s", rd_kafka_err2str(message->err));
    }

    if (bench_delivered != NULL) {
        bench_delivered(message);
    }
}


rd_kafka_t *
bench_kafka(rd_kafka_type_t type, const char *brokers,
    const char *const *properties,
    void (*delivered)(const rd_kafka_message_t *message))
{
    char              text[512];
    rd_kafka_t       *rk;
    rd_kafka_conf_t  *conf;

    conf = rd_kafka_conf_new();

    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text,
                          sizeof(text))
        != RD_KAFKA_CONF_OK)
    {
        bench_die("%s", text);
    }

    for ( /* void */ ; *properties != NULL; properties += 2) {
        if (rd_kafka_conf_set(conf, properties[0], properties[1], text,
                              sizeof(text))
            != RD_KAFKA_CONF_OK)
        {
            bench_die("%s", text);
        }
    }

    if (type == RD_KAFKA_PRODUCER) {
        bench_delivered = delivered;
        rd_kafka_conf_set_dr_msg_cb(conf, bench_report);
    }

    rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (rk == NULL) {
        bench_die("%s", text);
    }

    if (type == RD_KAFKA_CONSUMER) {
        rd_kafka_poll_set_consumer(rk);
    }

    return rk;
}


void
bench_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, const void *value,
    size_t len, const void *key, size_t key_len, void *opaque)
{
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                            (void *) value, len, key, key_len, opaque)
           == -1)
    {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            bench_die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        }

        rd_kafka_poll(rk, 100);
    }
}


void
bench_flush(rd_kafka_t *rk)
{
    if (rd_kafka_flush(rk, BENCH_SILENCE) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        bench_die("not all was delivered in %d s", BENCH_SILENCE / 1000);
    }
}


void
bench_reader_open(const char *brokers, const char *group, const char *topic,
    int64_t offset)
{
    rd_kafka_resp_err_t  e;

    const char *const  properties[] = {
        "group.id", group, "socket.nagle.disable", "true",
        "queued.max.messages.kbytes", "16384", "queued.min.messages", "20000",
        "fetch.wait.max.ms", "100", "enable.auto.commit", "false",
        "enable.auto.offset.store", "false", "auto.offset.reset", "error",
        "isolation.level", "read_committed", "enable.partition.eof", "true",
        NULL
    };

    reader.rk = bench_kafka(RD_KAFKA_CONSUMER, brokers, properties, NULL);
    reader.queue = rd_kafka_queue_get_consumer(reader.rk);

    reader.partition = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(reader.partition, topic, 0)->offset =
                                                                       offset;

    e = rd_kafka_assign(reader.rk, reader.partition);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        bench_die("assign: %s", rd_kafka_err2str(e));
    }
}


void
bench_reader_close(void)
{
    while (reader.given < reader.taken) {
        rd_kafka_message_destroy(reader.messages[reader.given++]);
    }

    rd_kafka_topic_partition_list_destroy(reader.partition);
    rd_kafka_queue_destroy(reader.queue);
    rd_kafka_destroy(reader.rk);
}


rd_kafka_message_t *
bench_consume(void)
{
    rd_kafka_message_t  *m;

    if (reader.given == reader.taken) {
        bench_take();
    }

    m = reader.messages[reader.given++];

    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        rd_kafka_message_destroy(m);
        return NULL;
    }

    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        bench_die("consume: %s", rd_kafka_message_errstr(m));
    }

    if (++reader.consumed % BENCH_WAKE == 0) {
        bench_wake();
    }

    return m;
}


/* Takes the messages that are there, or waits for one. */

static void
bench_take(void)
{
    reader.given = 0;
    reader.taken = rd_kafka_consume_batch_queue(reader.queue, 0,
                                                reader.messages, BENCH_TAKE);

    if (reader.taken <= 0) {
        reader.taken = 1;
        reader.messages[0] = rd_kafka_consumer_poll(reader.rk, BENCH_SILENCE);

        if (reader.messages[0] == NULL) {
            bench_die("no message for %d s", BENCH_SILENCE / 1000);
        }
    }
}


static void
bench_wake(void)
{
    reader.partition->elems[0].offset = RD_KAFKA_OFFSET_END;
    (void) rd_kafka_offsets_for_times(reader.rk, reader.partition, 0);
}


void
bench_check(const char *what, rd_kafka_error_t *error)
{
    if (error != NULL) {
        bench_die("%s: %s", what, rd_kafka_error_string(error));
    }
}


int
bench_connect(int port)
{
    int                 fd;
    struct sockaddr_in  addr;

    memset(&addr, 0, sizeof(addr));
    addr.sin_family = AF_INET;
    addr.sin_port = htons((uint16_t) port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd == -1 || connect(fd, (struct sockaddr *) &addr, sizeof(addr)) == -1)
    {
        bench_die("connect: %s", strerror(errno));
    }

    return fd;
}
