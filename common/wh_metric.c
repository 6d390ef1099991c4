#include "wh_metric.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define WH_METRIC_NUMBER  40     /* bytes that a value may take */
#define WH_METRIC_LE      64     /* and the label of a bucket */


static const int64_t  wh_latency_bounds[] = {
    500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,
    1000000, 2500000, 5000000, 10000000
};

const wh_buckets_t  wh_buckets_latency = {
    wh_latency_bounds,
    sizeof(wh_latency_bounds) / sizeof(wh_latency_bounds[0]),
    1
};

static const int64_t  wh_size_bounds[] = {
    1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000
};

const wh_buckets_t  wh_buckets_size = {
    wh_size_bounds,
    sizeof(wh_size_bounds) / sizeof(wh_size_bounds[0]),
    0
};


static void wh_metric_sample(wh_text_t *t, const char *name,
    const char *suffix, const char *labels, const char *value);
static void wh_metric_seconds(char *value, size_t size, int64_t us);
static const char *wh_metric_line(const char *p, const char *end);
static int wh_metric_parse(const char *p, const char *end,
    wh_sample_t *sample);
static int wh_metric_value(const char *p, const char *end, double *value);
static int wh_metric_begins(const char *p, const char *end, const char *with);


void
wh_metric_family(wh_text_t *t, const char *name, wh_metric_type_t type,
    const char *help)
{
    static const char  *types[] = { "counter", "gauge", "histogram" };

    wh_text_put(t, "# HELP ");
    wh_text_put(t, name);
    wh_text_put(t, " ");
    wh_text_put(t, help);
    wh_text_put(t, "\n# TYPE ");
    wh_text_put(t, name);
    wh_text_put(t, " ");
    wh_text_put(t, types[type]);
    wh_text_put(t, "\n");
}


void
wh_metric_int(wh_text_t *t, const char *name, const char *labels,
    int64_t value)
{
    char  text[WH_METRIC_NUMBER];

    (void) snprintf(text, sizeof(text), "%" PRId64, value);

    wh_metric_sample(t, name, "", labels, text);
}


void
wh_metric_micros(wh_text_t *t, const char *name, const char *labels,
    int64_t us)
{
    char  text[WH_METRIC_NUMBER];

    wh_metric_seconds(text, sizeof(text), us);
    wh_metric_sample(t, name, "", labels, text);
}


static void
wh_metric_sample(wh_text_t *t, const char *name, const char *suffix,
    const char *labels, const char *value)
{
    wh_text_put(t, name);
    wh_text_put(t, suffix);

    if (labels != NULL) {
        wh_text_put(t, "{");
        wh_text_put(t, labels);
        wh_text_put(t, "}");
    }

    wh_text_put(t, " ");
    wh_text_put(t, value);
    wh_text_put(t, "\n");
}


static void
wh_metric_seconds(char *value, size_t size, int64_t us)
{
    (void) snprintf(value, size, "%s%" PRId64 ".%06" PRId64,
                    us < 0 ? "-" : "", imaxabs(us) / 1000000,
                    imaxabs(us) % 1000000);
}


size_t
wh_bucket(const wh_buckets_t *b, int64_t value)
{
    size_t  i;

    for (i = 0; i < b->n && value > b->bounds[i]; i++) {
        /* void */
    }

    return i;
}


void
wh_metric_histogram(wh_text_t *t, const char *name, const wh_buckets_t *b,
    const uint64_t *counts, int64_t sum)
{
    char      le[WH_METRIC_LE], bound[WH_METRIC_NUMBER];
    char      value[WH_METRIC_NUMBER];
    size_t    i;
    uint64_t  total;

    total = 0;

    for (i = 0; i <= b->n; i++) {
        total += counts[i];

        if (i == b->n) {
            (void) snprintf(bound, sizeof(bound), "+Inf");

        } else if (b->micros) {
            (void) snprintf(bound, sizeof(bound), "%g",
                            (double) b->bounds[i] / 1e6);

        } else {
            (void) snprintf(bound, sizeof(bound), "%" PRId64, b->bounds[i]);
        }

        (void) snprintf(le, sizeof(le), "le=\"%s\"", bound);
        (void) snprintf(value, sizeof(value), "%" PRIu64, total);
        wh_metric_sample(t, name, "_bucket", le, value);
    }

    wh_metric_sample(t, name, "_count", NULL, value);

    if (b->micros) {
        wh_metric_seconds(value, sizeof(value), sum);

    } else {
        (void) snprintf(value, sizeof(value), "%" PRId64, sum);
    }

    wh_metric_sample(t, name, "_sum", NULL, value);
}


int
wh_metric_next(const char **p, const char *end, wh_sample_t *sample)
{
    const char  *line, *behind;

    while (*p < end) {

        line = *p;
        behind = wh_metric_line(line, end);
        *p = (behind < end) ? behind + 1 : end;

        if (wh_metric_parse(line, behind, sample)) {
            return 1;
        }
    }

    return 0;
}


/* Where a line ends. */

static const char *
wh_metric_line(const char *p, const char *end)
{
    const char  *feed;

    feed = memchr(p, '\n', (size_t) (end - p));

    return (feed != NULL) ? feed : end;
}


/* name{labels} value: the labels' values have neither "}" nor quotes here. */

static int
wh_metric_parse(const char *p, const char *end, wh_sample_t *sample)
{
    const char  *brace;

    sample->name = p;
    sample->labels = NULL;
    sample->labels_len = 0;

    while (p < end && *p != ' ' && *p != '{' && *p != '#') {
        p++;
    }

    sample->name_len = (size_t) (p - sample->name);

    if (sample->name_len == 0 || p == end || *p == '#') {
        return 0;
    }

    if (*p == '{') {
        brace = memchr(p, '}', (size_t) (end - p));

        if (brace == NULL) {
            return 0;
        }

        sample->labels = p + 1;
        sample->labels_len = (size_t) (brace - p - 1);
        p = brace + 1;
    }

    return wh_metric_value(p, end, &sample->value);
}


static int
wh_metric_value(const char *p, const char *end, double *value)
{
    char    text[WH_METRIC_NUMBER], *behind;
    size_t  len;

    if (p == end || *p++ != ' ') {
        return 0;
    }

    len = (size_t) (end - p);

    if (len == 0 || len >= sizeof(text) || *p == ' ') {
        return 0;
    }

    memcpy(text, p, len);
    text[len] = '\0';

    *value = strtod(text, &behind);

    return *behind == '\0' && behind != text;
}


int
wh_sample_is(const wh_sample_t *sample, const char *name)
{
    return sample->name_len == strlen(name)
           && memcmp(sample->name, name, sample->name_len) == 0;
}


void
wh_metric_copy(wh_text_t *t, const char *data, size_t len, int gauges)
{
    int          gauge;
    const char  *p, *end, *help, *behind, *word;

    end = data + len;
    help = NULL;
    gauge = 0;

    for (p = data; p < end; p = (behind < end) ? behind + 1 : end) {
        behind = wh_metric_line(p, end);

        if (wh_metric_begins(p, behind, "# HELP ")) {
            /* whose it is the next line says */
            help = p;
            continue;
        }

        if (wh_metric_begins(p, behind, "# TYPE ")) {
            word = behind;

            while (word > p && word[-1] != ' ') {
                word--;
            }

            gauge = wh_metric_begins(word, behind, "gauge");
        }

        if (gauges || !gauge) {
            if (help != NULL) {
                wh_text_add(t, help, (size_t) (p - help));
            }

            wh_text_add(t, p, (size_t) (behind - p));
            wh_text_put(t, "\n");
        }

        help = NULL;
    }
}


static int
wh_metric_begins(const char *p, const char *end, const char *with)
{
    size_t  len;

    len = strlen(with);

    return (size_t) (end - p) >= len && memcmp(p, with, len) == 0;
}
