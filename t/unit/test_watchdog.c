/*
 * When the first thread has been at something for too long.
 */

#include "unit.h"

#include "base/clock.h"
#include "base/watchdog.h"


#define UNIT_GIB  (INT64_C(1) << 30)


/* The ms after which what began last is late; now is when it did. */

static int64_t
unit_allowed(int64_t now, int64_t size)
{
    int64_t  late;

    late = wh_watchdog_late(now + UNIT_GIB, size);

    assert_true(late > 0);
    assert_int_equal(wh_watchdog_late(now + UNIT_GIB - late, size), 0);
    assert_int_equal(wh_watchdog_late(now + UNIT_GIB - late + 1, size), 1);

    return UNIT_GIB - late;
}


/* A clock that goes on between two lines adds little. */

static void
unit_about(int64_t allowed, int64_t expected)
{
    assert_in_range(allowed, expected, expected + 10000);
}


static void
test_nothing_begun(void **state)
{
    (void) state;

    assert_int_equal(wh_watchdog_late(INT64_MAX / 2, 0), 0);
}


static void
test_kinds(void **state)
{
    int64_t  now;

    (void) state;

    now = wh_clock();

    wh_watchdog_step();
    unit_about(unit_allowed(now, 0), WH_WATCHDOG_STEP);
    unit_about(unit_allowed(now, UNIT_GIB), WH_WATCHDOG_STEP);

    wh_watchdog_wait(60000);
    unit_about(unit_allowed(now, UNIT_GIB), WH_WATCHDOG_STEP + 60000);

    wh_watchdog_disk();
    unit_about(unit_allowed(now, -1), WH_WATCHDOG_STEP + WH_WATCHDOG_DISK);
    unit_about(unit_allowed(now, UNIT_GIB),
               WH_WATCHDOG_STEP + WH_WATCHDOG_DISK + (1 << 20));

    /* and back */

    wh_watchdog_step();
    unit_about(unit_allowed(now, UNIT_GIB), WH_WATCHDOG_STEP);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_nothing_begun),
        cmocka_unit_test(test_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
