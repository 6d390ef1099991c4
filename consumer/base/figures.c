#include "base/figures.h"
#include "base/clock.h"
#include "wh_metric.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>


#define WH_FIGURES_SIZE       16384   /* bytes, without partitions */
#define WH_FIGURES_PARTITION  1024    /* bytes for each of these */
#define WH_FIGURES_LABELS     512
#define WH_FIGURES_OLD        5000    /* ms: the lag is not known any more */


typedef struct {
    wh_state_t          state;
    wh_batch_figures_t  total;          /* us: of all batches */
    uint64_t            sizes[WH_BUCKETS_MAX];
    uint64_t            times[WH_BUCKETS_MAX];
    int64_t             conflicts;
    int64_t             restarts;
    uint64_t            read;
    uint64_t            applied;
    int64_t             notified;       /* -1: not known */
    int64_t             keys;           /* -1: not known */
    int64_t             outcomes;       /* the same */
    int64_t             progress;       /* us since 1970 */
    int64_t             started;        /* the same */
    wh_partition_t     *partitions;
    int32_t             n;
    int64_t             looked;         /* when these were, wh_clock() */
} wh_figures_t;


static int64_t wh_figures_now(void);
static int64_t wh_figures_lag(const wh_figures_t *f);
static void wh_figures_put_state(wh_text_t *t, const wh_figures_t *f);
static void wh_figures_put_commands(wh_text_t *t, const wh_figures_t *f);
static void wh_figures_put_partitions(wh_text_t *t, const wh_figures_t *f,
    const char *topic);
static void wh_figures_labels(char *labels, const char *topic,
    const wh_partition_t *p);
static void wh_figures_put_known(wh_text_t *t, const char *name,
    const char *help, int64_t value);


static wh_figures_t     wh_figures = { .notified = -1, .keys = -1,
                                        .outcomes = -1 };
static pthread_mutex_t  wh_figures_lock = PTHREAD_MUTEX_INITIALIZER;


static int64_t
wh_figures_now(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_REALTIME, &now);

    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}


void
wh_figures_state(wh_state_t state)
{
    (void) pthread_mutex_lock(&wh_figures_lock);

    if (wh_figures.started == 0) {
        wh_figures.started = wh_figures_now();
        wh_figures.progress = wh_figures.started;
    }

    wh_figures.state = state;

    (void) pthread_mutex_unlock(&wh_figures_lock);
}


/*
 * Of all partitions; -1: nobody has looked lately, or one is not known, and the
 * sum of the others would look like the lag.
 */

static int64_t
wh_figures_lag(const wh_figures_t *f)
{
    int32_t                i;
    int64_t                lag;
    const wh_partition_t  *p;

    if (f->state != WH_PROCESSING
        || wh_clock() - f->looked >= WH_FIGURES_OLD)
    {
        return -1;
    }

    lag = 0;

    for (i = 0; i < f->n; i++) {
        p = &f->partitions[i];

        if (p->end == -1) {
            return -1;
        }

        lag += (p->end > p->next) ? p->end - p->next : 0;
    }

    return lag;
}


void
wh_figures_batch(const wh_batch_figures_t *b)
{
    int64_t        size;
    wh_figures_t  *f = &wh_figures;

    size = b->applied + b->refused + b->duplicates + b->malformed;

    (void) pthread_mutex_lock(&wh_figures_lock);

    f->total.applied += b->applied;
    f->total.refused += b->refused;
    f->total.duplicates += b->duplicates;
    f->total.malformed += b->malformed;
    f->total.us += b->us;

    f->sizes[wh_bucket(&wh_buckets_size, size)]++;
    f->times[wh_bucket(&wh_buckets_latency, b->us)]++;

    f->progress = wh_figures_now();

    (void) pthread_mutex_unlock(&wh_figures_lock);
}


void
wh_figures_conflict(void)
{
    (void) pthread_mutex_lock(&wh_figures_lock);
    wh_figures.conflicts++;
    (void) pthread_mutex_unlock(&wh_figures_lock);
}


void
wh_figures_restart(void)
{
    (void) pthread_mutex_lock(&wh_figures_lock);
    wh_figures.restarts++;
    (void) pthread_mutex_unlock(&wh_figures_lock);
}


void
wh_figures_recovered(uint64_t read, uint64_t applied)
{
    (void) pthread_mutex_lock(&wh_figures_lock);
    wh_figures.read += read;
    wh_figures.applied += applied;
    wh_figures.progress = wh_figures_now();
    (void) pthread_mutex_unlock(&wh_figures_lock);
}


void
wh_figures_notified(int64_t next)
{
    (void) pthread_mutex_lock(&wh_figures_lock);
    wh_figures.notified = next;
    (void) pthread_mutex_unlock(&wh_figures_lock);
}


void
wh_figures_keys(int64_t keys)
{
    (void) pthread_mutex_lock(&wh_figures_lock);
    wh_figures.keys = keys;
    (void) pthread_mutex_unlock(&wh_figures_lock);
}


void
wh_figures_outcomes(int64_t outcomes)
{
    (void) pthread_mutex_lock(&wh_figures_lock);
    wh_figures.outcomes = outcomes;
    (void) pthread_mutex_unlock(&wh_figures_lock);
}


void
wh_figures_partitions(wh_partition_t *list, int32_t n)
{
    int32_t          i;
    wh_partition_t  *before;

    for (i = 0; i < n && list[i].end != -1 && list[i].next >= list[i].end;
         i++)
    {
        /* nothing is left in this one */
    }

    (void) pthread_mutex_lock(&wh_figures_lock);

    before = wh_figures.partitions;
    wh_figures.partitions = list;
    wh_figures.n = n;
    wh_figures.looked = wh_clock();

    if (i == n) {
        wh_figures.progress = wh_figures_now();
    }

    (void) pthread_mutex_unlock(&wh_figures_lock);

    free(before);
}


void
wh_figures_put_status(wh_text_t *t)
{
    int64_t              lag;
    wh_state_t           state;
    const wh_figures_t  *f = &wh_figures;

    static const char  *texts[WH_STATES] = {
        "starting", "waiting, the log says for what", "recovering",
        "processing"
    };

    (void) pthread_mutex_lock(&wh_figures_lock);

    lag = wh_figures_lag(f);
    state = f->state;

    wh_text_put(t, texts[state]);

    if (state == WH_CATCHING_UP) {
        wh_text_put(t, ", notifications read: ");
        wh_text_int(t, (int64_t) f->read);
    }

    if (lag >= 0) {
        wh_text_put(t, ", commands waiting: ");
        wh_text_int(t, lag);
    }

    (void) pthread_mutex_unlock(&wh_figures_lock);
}


size_t
wh_figures_size(void)
{
    size_t  size;

    (void) pthread_mutex_lock(&wh_figures_lock);
    size = WH_FIGURES_SIZE + (size_t) wh_figures.n * WH_FIGURES_PARTITION;
    (void) pthread_mutex_unlock(&wh_figures_lock);

    return size;
}


void
wh_figures_put(wh_text_t *t, const char *topic, int64_t database, int64_t log)
{
    const wh_figures_t  *f = &wh_figures;

    (void) pthread_mutex_lock(&wh_figures_lock);

    wh_figures_put_state(t, f);
    wh_figures_put_commands(t, f);
    wh_figures_put_partitions(t, f, topic);

    wh_figures_put_known(t, "warehouse_consumer_notifications_position",
                         "Offset of the first notification that the database "
                         "does not stand for.", f->notified);
    wh_figures_put_known(t, "warehouse_consumer_idempotency_keys",
                         "Idempotency keys that are remembered, at most.",
                         f->keys);
    wh_figures_put_known(t, "warehouse_consumer_outcomes",
                         "Commands whose outcome is kept, at most.",
                         f->outcomes);
    wh_figures_put_known(t, "warehouse_consumer_database_bytes",
                         "Size of the database.", database);
    wh_figures_put_known(t, "warehouse_consumer_wal_bytes",
                         "Size of the database's write-ahead log.", log);

    (void) pthread_mutex_unlock(&wh_figures_lock);
}


static void
wh_figures_put_state(wh_text_t *t, const wh_figures_t *f)
{
    int   i;
    char  labels[WH_FIGURES_LABELS];

    static const char  *names[WH_STATES] = {
        "starting", "waiting", "recovering", "processing"
    };

    wh_metric_family(t, "warehouse_consumer_state", WH_GAUGE,
                     "1 for the state that the daemon is in.");

    for (i = 0; i < WH_STATES; i++) {
        (void) snprintf(labels, sizeof(labels), "state=\"%s\"", names[i]);
        wh_metric_int(t, "warehouse_consumer_state", labels,
                      i == (int) f->state);
    }

    wh_metric_family(t, "warehouse_consumer_start_time_seconds", WH_GAUGE,
                     "When the daemon was started, since 1970.");
    wh_metric_micros(t, "warehouse_consumer_start_time_seconds", NULL,
                     f->started);

    wh_metric_family(t, "warehouse_consumer_last_progress_timestamp_seconds",
                     WH_GAUGE, "When a batch was committed last, or nothing "
                     "was left to process, since 1970.");
    wh_metric_micros(t, "warehouse_consumer_last_progress_timestamp_seconds",
                     NULL, f->progress);

    wh_metric_family(t, "warehouse_consumer_session_restarts_total",
                     WH_COUNTER, "Sessions that trouble has ended.");
    wh_metric_int(t, "warehouse_consumer_session_restarts_total", NULL,
                  f->restarts);
}


static void
wh_figures_put_commands(wh_text_t *t, const wh_figures_t *f)
{
    const char  *name;

    name = "warehouse_consumer_commands_total";
    wh_metric_family(t, name, WH_COUNTER, "Commands processed, by outcome.");
    wh_metric_int(t, name, "outcome=\"applied\"", f->total.applied);
    wh_metric_int(t, name, "outcome=\"refused\"", f->total.refused);
    wh_metric_int(t, name, "outcome=\"duplicate\"", f->total.duplicates);
    wh_metric_int(t, name, "outcome=\"malformed\"", f->total.malformed);

    name = "warehouse_consumer_conflicts_total";
    wh_metric_family(t, name, WH_COUNTER, "Batches read again and retried "
                     "after another writer had changed an item.");
    wh_metric_int(t, name, NULL, f->conflicts);

    name = "warehouse_consumer_recovered_notifications_total";
    wh_metric_family(t, name, WH_COUNTER, "Notifications that recovery has "
                     "read, by whether they were news to the database.");
    wh_metric_int(t, name, "result=\"applied\"", (int64_t) f->applied);
    wh_metric_int(t, name, "result=\"known\"",
                  (int64_t) (f->read - f->applied));

    name = "warehouse_consumer_batch_commands";
    wh_metric_family(t, name, WH_HISTOGRAM, "Commands in a batch.");
    wh_metric_histogram(t, name, &wh_buckets_size, f->sizes,
                        f->total.applied + f->total.refused
                        + f->total.duplicates + f->total.malformed);

    name = "warehouse_consumer_batch_seconds";
    wh_metric_family(t, name, WH_HISTOGRAM, "Time that a batch takes, from "
                     "reading its items to the commit in the database.");
    wh_metric_histogram(t, name, &wh_buckets_latency, f->times, f->total.us);
}


static void
wh_figures_put_partitions(wh_text_t *t, const wh_figures_t *f,
    const char *topic)
{
    int32_t                i;
    char                   labels[WH_FIGURES_LABELS];
    const wh_partition_t  *p;

    static const char  *position = "warehouse_consumer_position";
    static const char  *lag = "warehouse_consumer_lag_commands";

    wh_metric_family(t, position, WH_GAUGE, "Offset of the first command that "
                     "is not processed.");

    for (i = 0; i < f->n; i++) {
        p = &f->partitions[i];
        wh_figures_labels(labels, topic, p);
        wh_metric_int(t, position, labels, p->next);
    }

    if (wh_figures_lag(f) == -1) {
        return;
    }

    wh_metric_family(t, lag, WH_GAUGE, "Commands that wait to be processed, "
                     "as of the last answer of the brokers.");

    for (i = 0; i < f->n; i++) {
        p = &f->partitions[i];
        wh_figures_labels(labels, topic, p);
        wh_metric_int(t, lag, labels, p->end > p->next ? p->end - p->next : 0);
    }
}


/* labels has room for WH_FIGURES_LABELS bytes. */

static void
wh_figures_labels(char *labels, const char *topic, const wh_partition_t *p)
{
    (void) snprintf(labels, WH_FIGURES_LABELS, "topic=\"%s\",partition=\"%"
                    PRId32 "\"", topic, p->partition);
}


/* A gauge that is left out where it is -1. */

static void
wh_figures_put_known(wh_text_t *t, const char *name, const char *help,
    int64_t value)
{
    if (value >= 0) {
        wh_metric_family(t, name, WH_GAUGE, help);
        wh_metric_int(t, name, NULL, value);
    }
}
