/*
 * What is in the database: the guards on items and positions, snapshots, meta
 * and the counters.
 */

#include "unit_store.h"


static int
unit_put(unit_store_t *u, const char *sku, int64_t read_version, int64_t qty,
    int64_t version)
{
    wh_item_t  item;

    item.qty = qty;
    item.version = version;

    return wh_store_put_item(u->store, sku, strlen(sku), read_version, &item,
                             &u->err);
}


static void
test_put_item(void **state)
{
    wh_item_t      item;
    unit_store_t  *u = *state;

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);

    unit_rc(u, unit_put(u, "A", 1, 5, 2), WH_CONFLICT);
    unit_rc(u, unit_put(u, "A", 0, 5, 1), WH_OK);
    unit_rc(u, unit_put(u, "A", 0, 6, 1), WH_CONFLICT);
    unit_rc(u, unit_put(u, "A", 2, 6, 3), WH_CONFLICT);
    unit_rc(u, unit_put(u, "A", 1, WH_QTY_MAX, 2), WH_OK);
    unit_rc(u, unit_put(u, "A", 1, 7, 2), WH_CONFLICT);

    unit_rc(u, wh_store_get_item(u->store, "A", 1, &item, &u->err), WH_OK);
    assert_int_equal(item.qty, WH_QTY_MAX);
    assert_int_equal(item.version, 2);

    /* the length counts, not a NUL behind it */

    unit_rc(u, wh_store_get_item(u->store, "AB", 1, &item, &u->err), WH_OK);
    assert_int_equal(item.version, 2);
    unit_rc(u, wh_store_get_item(u->store, "AB", 2, &item, &u->err), WH_OK);
    assert_int_equal(item.qty, 0);
    assert_int_equal(item.version, 0);

    wh_store_rollback(u->store);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), 0);
}


static int
unit_move(unit_store_t *u, const char *topic, int32_t partition,
    int64_t expected, int64_t next)
{
    return wh_store_move_position(u->store, topic, partition, expected, next,
                                  &u->err);
}


static void
unit_check_position(unit_store_t *u, const char *topic, int32_t partition,
    int64_t expected)
{
    int64_t  next;

    next = -2;
    unit_rc(u, wh_store_get_position(u->store, topic, partition, &next,
                                     &u->err), WH_OK);
    assert_int_equal(next, expected);
}


static void
test_position(void **state)
{
    unit_store_t  *u = *state;

    unit_check_position(u, "commands", 0, -1);

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);

    unit_rc(u, unit_move(u, "commands", 0, 0, 5), WH_CONFLICT);
    unit_rc(u, unit_move(u, "commands", 0, -1, 5), WH_OK);
    unit_rc(u, unit_move(u, "commands", 0, -1, 6), WH_CONFLICT);
    unit_rc(u, unit_move(u, "commands", 0, 4, 6), WH_CONFLICT);
    unit_rc(u, unit_move(u, "commands", 0, 6, 7), WH_CONFLICT);
    unit_check_position(u, "commands", 0, 5);
    unit_rc(u, unit_move(u, "commands", 0, 5, INT64_C(5000000000)), WH_OK);

    /* each topic and partition has its own */

    unit_check_position(u, "commands", 1, -1);
    unit_check_position(u, "notifications", 0, -1);
    unit_rc(u, unit_move(u, "commands", 1, -1, 0), WH_OK);
    unit_rc(u, unit_move(u, "notifications", 0, -1, 9), WH_OK);

    unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);

    unit_check_position(u, "commands", 0, INT64_C(5000000000));
    unit_check_position(u, "commands", 1, 0);
    unit_check_position(u, "notifications", 0, 9);
}


/* Another daemon on the same database moves the position first. */

static void
test_position_of_two(void **state)
{
    wh_store_t    *second;
    unit_store_t  *u = *state;

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, unit_move(u, "commands", 0, -1, 5), WH_OK);
    unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);

    unit_rc(u, wh_store_open(&second, UNIT_CONF(u->path, 0), &u->err),
            WH_OK);
    unit_rc(u, wh_store_begin(second, &u->err), WH_OK);
    unit_rc(u, wh_store_move_position(second, "commands", 0, 5, 8, &u->err),
            WH_OK);
    unit_rc(u, wh_store_commit(second, &u->err), WH_OK);

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, unit_move(u, "commands", 0, 5, 7), WH_CONFLICT);
    wh_store_rollback(u->store);
    unit_check_position(u, "commands", 0, 8);

    wh_store_close(second);
}


/* A snapshot does not see what is written after its first read. */

static void
test_snapshot(void **state)
{
    wh_item_t      item;
    unit_store_t  *u = *state;

    unit_rc(u, wh_store_begin_read(u->store, &u->err), WH_OK);
    unit_rc(u, wh_store_get_item(u->store, "A", 1, &item, &u->err), WH_OK);
    unit_sql(u, "INSERT INTO items VALUES('A', 1, 1), ('B', 1, 1)");

    unit_rc(u, wh_store_get_item(u->store, "B", 1, &item, &u->err), WH_OK);
    assert_int_equal(item.version, 0);
    unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);

    unit_rc(u, wh_store_get_item(u->store, "B", 1, &item, &u->err), WH_OK);
    assert_int_equal(item.version, 1);
}


static void
test_meta(void **state)
{
    char           value[64];
    unit_store_t  *u = *state;

    unit_rc(u, wh_store_get_meta(u->store, "cluster_id", value, sizeof(value),
                                 &u->err), WH_OK);
    assert_string_equal(value, "");

    unit_rc(u, wh_store_set_meta(u->store, "cluster_id", "one", &u->err),
            WH_OK);
    unit_rc(u, wh_store_set_meta(u->store, "cluster_id", "two", &u->err),
            WH_OK);
    unit_rc(u, wh_store_get_meta(u->store, "cluster_id", value, sizeof(value),
                                 &u->err), WH_OK);
    assert_string_equal(value, "two");
}


static void
test_count(void **state)
{
    unit_store_t          *u = *state;
    static const int64_t   counts[WH_STAT_LAST] = { 3, 2, 1, 0 };

    unit_rc(u, wh_store_count(u->store, counts, &u->err), WH_OK);
    unit_rc(u, wh_store_count(u->store, counts, &u->err), WH_OK);

    assert_int_equal(unit_sql_int(u, "SELECT sum(value) FROM stats"), 12);
    assert_int_equal(unit_sql_int(u, "SELECT max(value) FROM stats"), 6);
}


#define unit_store_test(f)                                                    \
    cmocka_unit_test_setup_teardown(f, unit_store_setup, unit_store_teardown)


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        unit_store_test(test_put_item),
        unit_store_test(test_position),
        unit_store_test(test_position_of_two),
        unit_store_test(test_snapshot),
        unit_store_test(test_meta),
        unit_store_test(test_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
