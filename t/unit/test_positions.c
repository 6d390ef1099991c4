/*
 * Offsets by partition, and how many commands a transaction may have.
 */

#include "unit.h"

#include "session/pace.h"
#include "kafka/positions.h"


static void
test_positions(void **state)
{
    wh_error_t                        err;
    wh_positions_t                    p;
    rd_kafka_topic_partition_list_t  *list;

    (void) state;

    memset(&p, 0, sizeof(p));

    assert_int_equal(wh_positions_get(&p, 0), -1);
    assert_int_equal(wh_positions_get(&p, -1), -1);
    assert_int_equal(wh_positions_get(&p, INT32_MAX), -1);

    assert_int_equal(wh_positions_set(&p, 500, 7, &err), WH_OK);
    assert_int_equal(wh_positions_set(&p, 0, 0, &err), WH_OK);
    assert_int_equal(wh_positions_raise(&p, 500, 6, &err), WH_OK);
    assert_int_equal(wh_positions_get(&p, 500), 7);
    assert_int_equal(wh_positions_raise(&p, 500, 8, &err), WH_OK);
    assert_int_equal(wh_positions_raise(&p, 499, INT64_MAX, &err), WH_OK);
    assert_int_equal(wh_positions_set(&p, 0, 3, &err), WH_OK);

    assert_int_equal(p.n, 3);
    assert_int_equal(wh_positions_get(&p, 0), 3);
    assert_int_equal(wh_positions_get(&p, 1), -1);
    assert_int_equal(wh_positions_get(&p, 499), INT64_MAX);
    assert_int_equal(wh_positions_get(&p, 500), 8);

    list = wh_positions_list(&p, "commands");
    assert_int_equal(list->cnt, 3);
    assert_int_equal(list->elems[0].partition, 500);
    assert_int_equal(list->elems[0].offset, 8);
    assert_string_equal(list->elems[2].topic, "commands");
    rd_kafka_topic_partition_list_destroy(list);

    assert_int_equal(wh_positions_set(&p, 500, -1, &err), WH_ERROR);
    assert_int_equal(wh_positions_get(&p, 500), 8);
    assert_int_equal(wh_positions_set(&p, -1, 3, &err), WH_ERROR);
    assert_int_equal(wh_positions_set(&p, WH_PARTITIONS_MAX, 3, &err),
                     WH_ERROR);
    assert_int_equal(wh_positions_set(&p, WH_PARTITIONS_MAX - 1, 3, &err),
                     WH_OK);
    assert_int_equal(wh_positions_get(&p, WH_PARTITIONS_MAX - 1), 3);

    wh_positions_clear(&p);
    assert_int_equal(p.n, 0);
    assert_int_equal(wh_positions_get(&p, 500), -1);
    assert_int_equal(wh_positions_raise(&p, 500, 0, &err), WH_OK);
    assert_int_equal(p.n, 1);

    wh_positions_free(&p);
    assert_int_equal(wh_positions_get(&p, 500), -1);
}


static void
test_pace(void **state)
{
    int        i;
    wh_pace_t  pace;

    (void) state;

    wh_pace_init(&pace, 1000, 20);
    assert_int_equal(pace.most, 1000);

    wh_pace_failed(&pace, 1000, 10000, 10000);
    assert_int_equal(pace.most, 500);

    /* one that failed at once was not too large */
    wh_pace_failed(&pace, 500, 2499, 10000);
    assert_int_equal(pace.most, 500);

    /* one that was small anyway tells more than what was allowed */
    wh_pace_failed(&pace, 100, 2500, 10000);
    assert_int_equal(pace.most, 50);

    for (i = 0; i < 20; i++) {
        wh_pace_failed(&pace, 50, 9000, 10000);
    }

    assert_int_equal(pace.most, 1);

    wh_pace_init(&pace, 1000, 20);
    wh_pace_failed(&pace, 1000, 10000, 10000);

    /* a quick one that was small says nothing */
    wh_pace_committed(&pace, 10, 1, 10000);
    assert_int_equal(pace.most, 500);

    wh_pace_committed(&pace, 500, 3000, 10000);
    assert_int_equal(pace.most, 500);

    wh_pace_committed(&pace, 500, 6000, 10000);
    assert_int_equal(pace.most, 250);

    wh_pace_committed(&pace, 250, 100, 10000);
    assert_int_equal(pace.most, 500);
    wh_pace_committed(&pace, 500, 100, 10000);
    assert_int_equal(pace.most, 1000);
    wh_pace_committed(&pace, 1000, 100, 10000);
    assert_int_equal(pace.most, 1000);

    /* it grows from the smallest there is */
    wh_pace_init(&pace, 1, 20);
    wh_pace_failed(&pace, 1, 9000, 10000);
    wh_pace_committed(&pace, 1, 0, 10000);
    assert_int_equal(pace.most, 1);

    pace.max = 3;
    wh_pace_committed(&pace, 1, 0, 10000);
    assert_int_equal(pace.most, 3);
}


/* The pause grows with the load, and never ends before the markers are there. */

static void
test_pause(void **state)
{
    wh_pace_t  pace;

    (void) state;

    wh_pace_init(&pace, 1000, 20);
    assert_int_equal(wh_pace_pause(&pace), 3);

    pace.rate = 6000;
    assert_int_equal(wh_pace_pause(&pace), 10);

    pace.rate = 1e9;
    assert_int_equal(wh_pace_pause(&pace), 20);

    wh_pace_restart(&pace);
    assert_int_equal(wh_pace_pause(&pace), 3);

    /* what was not counted since is not known */

    wh_pace_count(&pace, 1000000);
    assert_int_equal(wh_pace_pause(&pace), 3);

    wh_pace_init(&pace, 1000, 0);
    pace.rate = 1e9;
    assert_int_equal(wh_pace_pause(&pace), 3);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
