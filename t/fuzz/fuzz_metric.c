/*
 * The bytes are what should be metrics: every sample lies within them, a copy
 * with gauges has the same samples, and one without has no more.
 */

#include "fuzz.h"

#include "wh_metric.h"


static size_t
fuzz_samples(const char *text, size_t len)
{
    size_t        n;
    const char   *p, *end;
    wh_sample_t   s;

    n = 0;
    p = text;
    end = text + len;

    while (wh_metric_next(&p, end, &s)) {

        fuzz_check(s.name >= text && s.name_len > 0
                   && s.name + s.name_len < end);
        fuzz_check(s.labels == NULL
                   || (s.labels > s.name && s.labels + s.labels_len < end));
        n++;
    }

    fuzz_check(p == end);

    return n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int        gauges;
    char      *text, *copy;
    size_t     n;
    wh_text_t  t;

    text = fuzz_alloc(len);
    copy = fuzz_alloc(len + 1);

    if (len > 0) {
        memcpy(text, data, len);
    }

    n = fuzz_samples(text, len);

    for (gauges = 0; gauges < 2; gauges++) {

        /* one byte more: the last line may have no line feed */

        wh_text_init(&t, copy, len + 1);
        wh_metric_copy(&t, text, len, gauges);

        fuzz_check(!t.full);
        fuzz_check(gauges ? fuzz_samples(copy, wh_text_len(&t)) == n
                          : fuzz_samples(copy, wh_text_len(&t)) <= n);
    }

    free(text);
    free(copy);

    return 0;
}
