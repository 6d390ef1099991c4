/*
 * Prometheus' text format 0.0.4: writing it, and reading what the daemon wrote.
 * Names follow Prometheus' and OpenMetrics' conventions: base units, counters
 * end in _total.
 */

#ifndef WH_METRIC_H
#define WH_METRIC_H

#include <stddef.h>
#include <stdint.h>

#include "wh_text.h"


typedef enum {
    WH_COUNTER = 0,
    WH_GAUGE,
    WH_HISTOGRAM
} wh_metric_type_t;


/* The bounds of a histogram's buckets, ascending; one more has no bound. */

typedef struct {
    const int64_t  *bounds;
    size_t          n;           /* at most WH_BUCKETS_MAX - 1 */
    int             micros;      /* values are us, to be shown as seconds */
} wh_buckets_t;

#define WH_BUCKETS_MAX  16


/* Times of a request and of a batch: 0.5 ms to 10 s, in us. */
extern const wh_buckets_t  wh_buckets_latency;

/* Commands of a batch: 1 to 100,000. */
extern const wh_buckets_t  wh_buckets_size;


/* Begins a metric: everything of it has to follow.  help is one line. */
void wh_metric_family(wh_text_t *text, const char *name, wh_metric_type_t type,
    const char *help);

/*
 * One value; labels are as they stand between the braces, or NULL.  The second
 * shows us as seconds.
 */
void wh_metric_int(wh_text_t *text, const char *name, const char *labels,
    int64_t value);
void wh_metric_micros(wh_text_t *text, const char *name, const char *labels,
    int64_t us);

/* The index of a value's bucket. */
size_t wh_bucket(const wh_buckets_t *buckets, int64_t value);

/* A histogram: counts has one more than there are bounds. */
void wh_metric_histogram(wh_text_t *text, const char *name,
    const wh_buckets_t *buckets, const uint64_t *counts, int64_t sum);


/* A line with a value: name and labels as they stand there. */

typedef struct {
    const char  *name;
    size_t       name_len;
    const char  *labels;        /* between the braces; NULL: none */
    size_t       labels_len;
    double       value;
} wh_sample_t;


/*
 * Takes the next line with a value from *p, up to end, and moves *p behind it.
 * What is no such line is passed over.  True; 0: there is none any more.
 */
int wh_metric_next(const char **p, const char *end, wh_sample_t *sample);

/* True if the sample is of that name. */
int wh_sample_is(const wh_sample_t *sample, const char *name);

/*
 * Puts a text behind what is there, without the families that are gauges.
 */
void wh_metric_copy(wh_text_t *text, const char *data, size_t len,
    int gauges);


#endif
