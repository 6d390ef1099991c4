/*
 * Outcomes packed and unpacked; rows of them in the database: a chain over the
 * positions in notifications, which shows where something is missing.
 */

#include "unit_store.h"

#include "ledger/keeper.h"


#define UNIT_ROOM  8192


static const wh_kept_t  unit_kepts[] = {
    { .verdict = WH_APPLIED, .offset = 7, .notified = 100, .stock = 5,
      .version = 1,
      .command = { WH_INCREASE, 5, 0, -1, 1, "A", 0, "" } },
    { .verdict = WH_REFUSED, .offset = 8, .stock = 0, .version = 0,
      .notified = -1, .reason = "version_mismatch",
      .command = { WH_DECREASE, WH_QTY_MAX, WH_QTY_MAX, WH_QTY_MAX, 6,
                   "\xf0\x9f\x98\x80-\\", 4, "r\x01\xc2\x80" } },
    { .verdict = WH_MALFORMED, .offset = 10, .notified = -1,
      .reason = "invalid_utf8" },
    { .verdict = WH_DUPLICATE, .offset = 300, .stock = WH_QTY_MAX,
      .version = 128, .notified = -1, .original = { INT32_MAX, WH_QTY_MAX },
      .reason = WH_KEPT_REPEATED,
      .command = { WH_INCREASE, 127, -1, -1, 1, "A", 0, NULL } },
    { .verdict = WH_APPLIED, .offset = WH_QTY_MAX - 1,
      .notified = WH_QTY_MAX - 1, .stock = 0, .version = WH_QTY_MAX,
      .command = { WH_DECREASE, 128, -1, 0, 1, "B", 0, NULL } },
};


static void
unit_same(const wh_kept_t *a, const wh_kept_t *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->notified, b->notified);

    if (b->reason != NULL) {
        assert_string_equal(a->reason, b->reason);
    }

    if (b->verdict == WH_DUPLICATE) {
        assert_int_equal(a->original.partition, b->original.partition);
        assert_int_equal(a->original.offset, b->original.offset);
    }

    if (b->verdict == WH_MALFORMED) {
        return;
    }

    assert_int_equal(a->stock, b->stock);
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->command.action, b->command.action);
    assert_int_equal(a->command.qty, b->command.qty);
    assert_int_equal(a->command.expected_version, b->command.expected_version);
    assert_int_equal(a->command.expected_qty, b->command.expected_qty);
    assert_int_equal(a->command.sku_len, b->command.sku_len);
    assert_string_equal(a->command.sku, b->command.sku);

    assert_int_equal(a->command.reference == NULL,
                     b->command.reference == NULL);

    if (b->command.reference != NULL) {
        assert_int_equal(a->command.reference_len, b->command.reference_len);
        assert_string_equal(a->command.reference, b->command.reference);
    }
}


/* All of them in one row, whose length is returned. */

static size_t
unit_pack(char *buf, int complete)
{
    size_t         i;
    wh_kept_row_t  row;

    wh_kept_begin(&row, buf, UNIT_ROOM, complete, 7, 90);

    for (i = 0; i < unit_items(unit_kepts); i++) {
        assert_int_equal(wh_kept_put(&row, &unit_kepts[i]), WH_OK);
    }

    return wh_kept_len(&row);
}


static void
test_pack(void **state)
{
    int            complete;
    char           buf[UNIT_ROOM], *copy;
    size_t         i, len;
    wh_kept_t      kept;
    wh_kept_row_t  row;

    (void) state;

    for (complete = 0; complete <= 1; complete++) {
        len = unit_pack(buf, complete);
        copy = unit_copy(buf, len);

        assert_int_equal(wh_kept_open(&row, copy, len, 7, 90), WH_OK);
        assert_int_equal(row.complete, complete);

        for (i = 0; i < unit_items(unit_kepts); i++) {
            assert_int_equal(wh_kept_next(&row, &kept), WH_OK);
            unit_same(&kept, &unit_kepts[i]);
        }

        assert_int_equal(wh_kept_next(&row, &kept), WH_NONE);
        free(copy);
    }
}


static void
test_full(void **state)
{
    char           sku[WH_SKU_MAX + 1], reference[WH_REFERENCE_MAX + 1];
    char           reason[WH_KEPT_REASON_MAX + 1];
    char          *buf;
    wh_kept_t      kept, read;
    wh_kept_row_t  row;

    (void) state;

    /* the longest there is fits where there is room for one */

    memset(sku, 's', WH_SKU_MAX);
    sku[WH_SKU_MAX] = '\0';
    memset(reference, 'r', WH_REFERENCE_MAX);
    reference[WH_REFERENCE_MAX] = '\0';
    memset(reason, 'w', WH_KEPT_REASON_MAX);
    reason[WH_KEPT_REASON_MAX] = '\0';

    kept = (wh_kept_t) { .verdict = WH_REFUSED, .offset = WH_QTY_MAX,
                         .stock = WH_QTY_MAX, .version = WH_QTY_MAX,
                         .notified = -1, .reason = reason,
                         .command = { WH_DECREASE, WH_QTY_MAX, WH_QTY_MAX,
                                      WH_QTY_MAX, WH_SKU_MAX, sku,
                                      WH_REFERENCE_MAX, reference } };

    buf = malloc(1 + WH_KEPT_LEN);
    assert_non_null(buf);

    wh_kept_begin(&row, buf, 1 + WH_KEPT_LEN, 1, 0, 0);
    assert_int_equal(wh_kept_put(&row, &kept), WH_OK);
    assert_false(row.text.full);

    assert_int_equal(wh_kept_open(&row, buf, wh_kept_len(&row), 0, 0), WH_OK);
    assert_int_equal(wh_kept_next(&row, &read), WH_OK);
    unit_same(&read, &kept);

    wh_kept_begin(&row, buf, WH_KEPT_LEN, 1, 0, 0);
    assert_int_equal(wh_kept_put(&row, &kept), WH_NONE);

    free(buf);
}


/* Any byte cut off or changed: another row or none, never one past its end. */

static void
test_damage(void **state)
{
    int            rc;
    char           buf[UNIT_ROOM], *copy;
    size_t         i, len, cut;
    unsigned       bit;
    wh_kept_t      kept;
    wh_kept_row_t  row;

    (void) state;

    len = unit_pack(buf, 1);

    for (cut = 0; cut < len; cut++) {
        copy = unit_copy(buf, cut);
        rc = wh_kept_open(&row, copy, cut, 7, 90);

        for (i = 0; rc == WH_OK; i++) {
            rc = wh_kept_next(&row, &kept);
        }

        assert_true(rc == WH_ERROR || (rc == WH_NONE && i <= 5));
        free(copy);
    }

    for (i = 0; i < len; i++) {
        for (bit = 0; bit < 8; bit++) {
            copy = unit_copy(buf, len);
            copy[i] ^= (char) (1 << bit);

            rc = wh_kept_open(&row, copy, len, 7, 90);

            while (rc == WH_OK) {
                rc = wh_kept_next(&row, &kept);
            }

            assert_true(rc == WH_ERROR || rc == WH_NONE);
            free(copy);
        }
    }

    assert_int_equal(wh_kept_open(&row, "", 0, 7, 90), WH_ERROR);
    assert_int_equal(wh_kept_open(&row, "\x02", 1, 7, 90), WH_ERROR);
    assert_int_equal(wh_kept_open(&row, "\x01", 1, -1, 90), WH_ERROR);
}


/* An applied command of a partition, for an item without anything special. */

static void
unit_keep(unit_store_t *u, wh_keeper_t *keeper, const char *topic,
    int32_t partition, int64_t offset, int64_t notified)
{
    wh_kept_t  kept;

    memset(&kept, 0, sizeof(kept));
    kept.verdict = (notified >= 0) ? WH_APPLIED : WH_MALFORMED;
    kept.offset = offset;
    kept.notified = notified;
    kept.reason = "empty";
    kept.command.qty = 1;
    kept.command.sku = "A";
    kept.command.sku_len = 1;
    kept.command.expected_version = -1;
    kept.command.expected_qty = -1;
    kept.stock = 1;
    kept.version = 1;

    unit_rc(u, wh_keeper_add(keeper, topic, partition, &kept, &u->err), WH_OK);
}


static void
unit_keeper_write(unit_store_t *u, wh_keeper_t *keeper, int64_t next,
    int64_t most)
{
    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, wh_keeper_write(keeper, u->store, next, most, &u->err), WH_OK);
    unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);
}


/* Is each row's beginning the end of the one before? */

static int64_t
unit_gaps(unit_store_t *u)
{
    return unit_sql_int(u, "SELECT count(*) FROM outcomes a WHERE id >"
                           " (SELECT min(id) FROM outcomes) AND since !="
                           " (SELECT until FROM outcomes b WHERE b.id < a.id"
                           " ORDER BY b.id DESC LIMIT 1)");
}


static void
test_keeper(void **state)
{
    int64_t        i;
    wh_keeper_t   *keeper;
    unit_store_t  *u = *state;

    unit_rc(u, wh_keeper_create(&keeper, &u->err), WH_OK);

    /* two partitions, then another topic; a marker behind the notifications */

    wh_keeper_begin(keeper, 1, 50);

    for (i = 0; i < 300; i++) {
        unit_keep(u, keeper, "commands", 0, i, (i % 3) ? 50 + i : -1);
    }

    unit_keep(u, keeper, "commands", 1, 7, 350);
    unit_keep(u, keeper, "others", 1, 8, 351);
    unit_keeper_write(u, keeper, 353, 1000);

    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM outcomes"), 5);
    assert_int_equal(unit_sql_int(u, "SELECT max(id) FROM outcomes"), 302);
    assert_int_equal(unit_sql_int(u, "SELECT sum(last - first + 1)"
                                     " FROM outcomes"), 302);
    assert_int_equal(unit_sql_int(u, "SELECT min(since) FROM outcomes"), 50);
    assert_int_equal(unit_sql_int(u, "SELECT max(until) FROM outcomes"), 353);
    assert_int_equal(unit_gaps(u), 0);

    /* a step over records that nobody is shown is no gap */

    wh_keeper_begin(keeper, 0, 353);
    unit_keeper_write(u, keeper, 360, 1000);
    assert_int_equal(unit_sql_int(u, "SELECT max(until) FROM outcomes"), 360);

    /* one over notifications is; also in front of some that are kept */

    wh_keeper_begin(keeper, 1, 360);
    wh_keeper_pass(keeper, 364);
    unit_keeper_write(u, keeper, 366, 1000);
    assert_int_equal(unit_sql_int(u, "SELECT max(until) FROM outcomes"), 360);

    wh_keeper_begin(keeper, 1, 366);
    wh_keeper_pass(keeper, 370);
    unit_keep(u, keeper, "commands", 0, 400, 371);
    unit_keeper_write(u, keeper, 373, 1000);
    assert_int_equal(unit_gaps(u), 1);
    assert_int_equal(unit_sql_int(u, "SELECT max(since) FROM outcomes"), 371);

    /* the oldest go */

    wh_keeper_begin(keeper, 1, 373);
    unit_keep(u, keeper, "commands", 0, 401, 373);
    unit_keeper_write(u, keeper, 375, 2);
    assert_int_equal(unit_sql_int(u, "SELECT min(first) FROM outcomes"), 400);
    assert_int_equal(unit_gaps(u), 0);

    wh_keeper_begin(keeper, 1, 375);
    unit_keep(u, keeper, "commands", 0, 402, 375);
    unit_keeper_write(u, keeper, 377, 0);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM outcomes"), 0);

    wh_keeper_destroy(keeper);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_pack),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_damage),
        cmocka_unit_test_setup_teardown(test_keeper, unit_store_setup,
                                        unit_store_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
