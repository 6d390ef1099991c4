/*
 * Prometheus' text: written, and read again; librdkafka's statistics.
 */

#include "unit.h"

#include "wh_error.h"
#include "wh_metric.h"
#include "wh_stats.h"


static void
test_write(void **state)
{
    char            buf[2048];
    wh_text_t       t;
    const uint64_t  counts[WH_BUCKETS_MAX] = { 1, 0, 2, [11] = 4 };

    static const char  expected[] =
        "# HELP a_total A.\n# TYPE a_total counter\n"
        "a_total 9007199254740991\na_total{b=\"c\"} -1\n"
        "# HELP s S.\n# TYPE s gauge\ns 1.000001\ns -0.500000\n"
        "# HELP h H.\n# TYPE h histogram\n"
        "h_bucket{le=\"1\"} 1\nh_bucket{le=\"3\"} 1\nh_bucket{le=\"10\"} 3\n"
        "h_bucket{le=\"30\"} 3\nh_bucket{le=\"100\"} 3\n"
        "h_bucket{le=\"300\"} 3\nh_bucket{le=\"1000\"} 3\n"
        "h_bucket{le=\"3000\"} 3\nh_bucket{le=\"10000\"} 3\n"
        "h_bucket{le=\"30000\"} 3\nh_bucket{le=\"100000\"} 3\n"
        "h_bucket{le=\"+Inf\"} 7\nh_count 7\nh_sum 77\n";

    (void) state;

    wh_text_init(&t, buf, sizeof(buf));

    wh_metric_family(&t, "a_total", WH_COUNTER, "A.");
    wh_metric_int(&t, "a_total", NULL, 9007199254740991);
    wh_metric_int(&t, "a_total", "b=\"c\"", -1);
    wh_metric_family(&t, "s", WH_GAUGE, "S.");
    wh_metric_micros(&t, "s", NULL, 1000001);
    wh_metric_micros(&t, "s", NULL, -500000);
    wh_metric_family(&t, "h", WH_HISTOGRAM, "H.");
    wh_metric_histogram(&t, "h", &wh_buckets_size, counts, 77);

    assert_int_equal(t.full, 0);
    assert_int_equal(wh_text_len(&t), sizeof(expected) - 1);
    assert_memory_equal(buf, expected, sizeof(expected) - 1);
}


static void
test_buckets(void **state)
{
    size_t  i, k;

    static const wh_buckets_t  *all[] = {
        &wh_buckets_latency, &wh_buckets_size
    };

    (void) state;

    for (k = 0; k < unit_items(all); k++) {
        assert_true(all[k]->n < WH_BUCKETS_MAX);

        for (i = 0; i < all[k]->n; i++) {
            assert_int_equal(wh_bucket(all[k], all[k]->bounds[i]), i);
            assert_int_equal(wh_bucket(all[k], all[k]->bounds[i] + 1), i + 1);
            assert_true(i == 0 || all[k]->bounds[i] > all[k]->bounds[i - 1]);
        }

        assert_int_equal(wh_bucket(all[k], -1), 0);
        assert_int_equal(wh_bucket(all[k], INT64_MAX), all[k]->n);
    }
}


static void
test_read(void **state)
{
    const char   *p, *end;
    wh_sample_t   s;

    static const char  text[] =
        "# HELP a A.\n\na 1\nb{c=\"d\",e=\"f\"} 2.5\nbad\nbad{ 1\nbad{a} x\n"
        "bad  1\nbad 1 2\nbad \n{x=\"y\"} 1\n# a 1\nc -1e3\nlast 7";

    (void) state;

    p = text;
    end = text + sizeof(text) - 1;

    assert_true(wh_metric_next(&p, end, &s));
    assert_true(wh_sample_is(&s, "a") && s.value == 1 && s.labels == NULL);

    assert_true(wh_metric_next(&p, end, &s));
    assert_true(wh_sample_is(&s, "b") && s.value == 2.5);
    assert_int_equal(s.labels_len, sizeof("c=\"d\",e=\"f\"") - 1);
    assert_memory_equal(s.labels, "c=\"d\",e=\"f\"", s.labels_len);
    assert_false(wh_sample_is(&s, "bb"));
    assert_false(wh_sample_is(&s, ""));

    assert_true(wh_metric_next(&p, end, &s));
    assert_true(wh_sample_is(&s, "c") && s.value == -1000);

    assert_true(wh_metric_next(&p, end, &s));
    assert_true(wh_sample_is(&s, "last") && s.value == 7);

    assert_false(wh_metric_next(&p, end, &s));
    assert_ptr_equal(p, end);
}


static void
test_copy(void **state)
{
    char       buf[512];
    size_t     i;
    wh_text_t  t;

    static const char  text[] =
        "# HELP a A.\n# TYPE a counter\na 1\n"
        "# HELP b B.\n# TYPE b gauge\nb 2\nb{c=\"d\"} 3\n"
        "# TYPE e histogram\ne 4\n# TYPE f gauge\nf 5\n";

    static const struct {
        int          gauges;
        const char  *text;
        size_t       len;
    } cases[] = {
        { 1, text, sizeof(text) - 1 },
        { 0, T("# HELP a A.\n# TYPE a counter\na 1\n"
               "# TYPE e histogram\ne 4\n") },
    };

    (void) state;

    for (i = 0; i < unit_items(cases); i++) {
        wh_text_init(&t, buf, sizeof(buf));
        wh_metric_copy(&t, text, sizeof(text) - 1, cases[i].gauges);

        assert_int_equal(wh_text_len(&t), cases[i].len);
        assert_memory_equal(buf, cases[i].text, cases[i].len);
    }
}


static void
test_stats(void **state)
{
    size_t      i;
    wh_stats_t  s;

    static const struct {
        const char  *text;
        size_t       len;
        int          rc;
        int          up;
        int64_t      idle;
    } cases[] = {
        { T("{}"), WH_EJSON, 0, -1 },
        { T("{\"brokers\":{}}"), WH_OK, 0, -1 },
        { T("{\"brokers\":{\"a\":{\"state\":\"UP\",\"rxidle\":7}}}"), WH_OK,
          1, 7 },
        { T("{\"brokers\":{\"a\":{\"state\":\"UP\",\"rxidle\":7},"
            "\"b\":{\"state\":\"UP\",\"rxidle\":5},"
            "\"c\":{\"state\":\"DOWN\",\"rxidle\":1}}}"), WH_OK, 2, 5 },
        { T("{\"brokers\":{\"a\":{\"state\":\"UP\",\"rxidle\":-1}}}"), WH_OK,
          1, -1 },
        { T("{\"brokers\":{\"a\":{\"state\":1,\"rxidle\":\"x\"},\"b\":[]}}"),
          WH_OK, 0, -1 },
        { T("{\"brokers\":7}"), WH_OK, 0, -1 },
        { T("{\"brokers\":{\"a\":{\"state\":\"UP\",\"rxidle\":1e300}}}"),
          WH_OK, 1, -1 },
        { T("{\"name\":\"x\",\"brokers\":{\"a\":{\"state\":\"UP\",\"rxidle\":7}}, "
            "\"topics\":{cut"), WH_OK, 1, 7 },
        { T("{\"brokers\":{\"a\":{\"state\":\"UP\""), WH_EJSON, 0, -1 },
        { T("{"), WH_EJSON, 0, -1 },
        { T(""), WH_EJSON, 0, -1 },
    };

    (void) state;

    for (i = 0; i < unit_items(cases); i++) {
        assert_int_equal(wh_stats_parse(&s, cases[i].text, cases[i].len),
                         cases[i].rc);
        assert_int_equal(s.up, cases[i].up);
        assert_int_equal(s.idle, cases[i].idle);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_stats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
