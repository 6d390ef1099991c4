/*
 * The ledger's rules, and batches against a real database: the commands of a
 * sku in order, and the optimistic lock against somebody else's writes.
 */

#include "unit_store.h"

#include "ledger/batch.h"
#include "ledger/rule.h"


#define UNIT_RETENTION  1000     /* ms */
#define UNIT_KEYS       5

#define INCREASE(sku, qty)                                                    \
    "{\"action\":\"increase\",\"sku\":\"" sku "\",\"qty\":" qty "}"
#define DECREASE(sku, qty)                                                    \
    "{\"action\":\"decrease\",\"sku\":\"" sku "\",\"qty\":" qty "}"
#define IF(sku, qty, condition)                                               \
    "{\"action\":\"increase\",\"sku\":\"" sku "\",\"qty\":" qty "," condition "}"


typedef struct {
    wh_item_t    item;
    wh_action_t  action;
    int64_t      qty;
    int          refused;
    wh_item_t    after;
} unit_apply_t;


typedef struct {
    const char    *value;
    wh_verdict_t   verdict;
    int64_t        stock;
    int64_t        version;
} unit_outcome_t;


typedef struct {
    const char    *value;
    const char    *key;
    int64_t        time;           /* ms */
    wh_verdict_t   verdict;
    const char    *reason;
    int64_t        stock;
    int64_t        version;
    int64_t        original;       /* duplicate: offset */
} unit_keyed_t;


static const unit_apply_t  unit_applies[] = {

    /* an increase creates the item */
    { { 0, 0 }, WH_INCREASE, 10, 0, { 10, 1 } },
    { { 0, 0 }, WH_INCREASE, WH_QTY_MAX, 0, { WH_QTY_MAX, 1 } },
    { { 0, 3 }, WH_INCREASE, 1, 0, { 1, 4 } },
    { { 10, 1 }, WH_INCREASE, 5, 0, { 15, 2 } },

    /* up to 2^53-1, not past it */
    { { WH_QTY_MAX - 1, 5 }, WH_INCREASE, 1, 0, { WH_QTY_MAX, 6 } },
    { { WH_QTY_MAX - 1, 5 }, WH_INCREASE, 2, 1, { WH_QTY_MAX - 1, 5 } },
    { { WH_QTY_MAX, 5 }, WH_INCREASE, 1, 1, { WH_QTY_MAX, 5 } },
    { { 1, 1 }, WH_INCREASE, WH_QTY_MAX, 1, { 1, 1 } },
    { { WH_QTY_MAX, 5 }, WH_INCREASE, WH_QTY_MAX, 1, { WH_QTY_MAX, 5 } },

    /* a decrease needs an item and never goes below 0 */
    { { 0, 0 }, WH_DECREASE, 1, 1, { 0, 0 } },
    { { 0, 3 }, WH_DECREASE, 1, 1, { 0, 3 } },
    { { 10, 1 }, WH_DECREASE, 9, 0, { 1, 2 } },
    { { 10, 1 }, WH_DECREASE, 10, 0, { 0, 2 } },
    { { 10, 1 }, WH_DECREASE, 11, 1, { 10, 1 } },
    { { 1, 1 }, WH_DECREASE, WH_QTY_MAX, 1, { 1, 1 } },
    { { WH_QTY_MAX, 8 }, WH_DECREASE, WH_QTY_MAX, 0, { 0, 9 } },
};


static const unit_outcome_t  unit_outcomes[] = {
    { INCREASE("A", "10"), WH_APPLIED, 10, 1 },
    { DECREASE("A", "4"), WH_APPLIED, 6, 2 },
    { DECREASE("A", "7"), WH_REFUSED, 6, 2 },
    { "{\"action\":\"increase\",", WH_MALFORMED, 0, 0 },
    { INCREASE("B", "3.0"), WH_APPLIED, 3, 1 },
    { DECREASE("A", "6"), WH_APPLIED, 0, 3 },
    { DECREASE("A", "1"), WH_REFUSED, 0, 3 },
    { DECREASE("C", "1"), WH_REFUSED, 0, 0 },
    { INCREASE("C", "0"), WH_MALFORMED, 0, 0 },
    { INCREASE("\\u0041", "1"), WH_APPLIED, 1, 4 },
    { INCREASE("a", "5"), WH_APPLIED, 5, 1 },
    { INCREASE("AA", "9007199254740991"), WH_APPLIED, WH_QTY_MAX, 1 },
    { INCREASE("AA", "1"), WH_REFUSED, WH_QTY_MAX, 1 },
    { DECREASE("AA", "9007199254740991"), WH_APPLIED, 0, 2 },
    { INCREASE("caf\xc3\xa9", "1"), WH_APPLIED, 1, 1 },
    { INCREASE("caf\\u00e9", "1"), WH_APPLIED, 2, 2 },
};


static const unit_keyed_t  unit_keyed[] = {
    { INCREASE("A", "10"), "one", 5000, WH_APPLIED, NULL, 10, 1, 0 },
    { INCREASE("A", "10"), "one", 5000, WH_DUPLICATE, NULL, 10, 1, 0 },
    { INCREASE("A", "10"), "One", 5000, WH_APPLIED, NULL, 20, 2, 0 },

    /* the same key for something else */
    { INCREASE("A", "11"), "one", 5000, WH_REFUSED, "idempotency_key_reused",
      20, 2, 0 },
    { DECREASE("A", "10"), "one", 5000, WH_REFUSED, "idempotency_key_reused",
      20, 2, 0 },
    { INCREASE("B", "10"), "one", 5000, WH_APPLIED, NULL, 10, 1, 0 },

    /* a refused command does not use its key up */
    { DECREASE("A", "99"), "two", 5000, WH_REFUSED, "insufficient_stock",
      20, 2, 0 },
    { DECREASE("A", "6"), "two", 5000, WH_APPLIED, NULL, 14, 3, 0 },
    { DECREASE("A", "6"), "two", 5000, WH_DUPLICATE, NULL, 14, 3, 7 },
    { DECREASE("A", "99"), "two", 5000, WH_REFUSED, "idempotency_key_reused",
      14, 3, 0 },

    /* a duplicate is one whatever the stock is by now, and not without key */
    { DECREASE("B", "10"), NULL, 5000, WH_APPLIED, NULL, 0, 2, 0 },
    { INCREASE("B", "10"), "one", 5000, WH_DUPLICATE, NULL, 0, 2, 5 },

    /* until the retention is over, or written before the first one was */
    { INCREASE("A", "10"), "one", 4000, WH_DUPLICATE, NULL, 14, 3, 0 },
    { INCREASE("A", "10"), "one", 5999, WH_DUPLICATE, NULL, 14, 3, 0 },
    { INCREASE("A", "10"), "one", 6000, WH_APPLIED, NULL, 24, 4, 0 },
    { INCREASE("A", "10"), "one", 6999, WH_DUPLICATE, NULL, 24, 4, 14 },
};


static wh_batch_t *
unit_batch(unit_store_t *u, size_t max)
{
    wh_batch_t   *batch;
    wh_limits_t   limits;

    limits.max = max;
    limits.keep = 1;
    limits.retention = UNIT_RETENTION;
    limits.keys = UNIT_KEYS;

    unit_rc(u, wh_batch_create(&batch, &limits, &u->err), WH_OK);

    return batch;
}


/* key may be NULL; time is in ms. */

static void
unit_add_key(unit_store_t *u, wh_batch_t *batch, const char *value,
    const char *key, int64_t time)
{
    char         *copy;
    wh_record_t   record;

    copy = unit_copy(value, strlen(value));

    memset(&record, 0, sizeof(record));
    record.value = copy;
    record.len = strlen(value);
    record.key = key;
    record.key_len = key ? strlen(key) : 0;
    record.time = time;
    record.partition = 0;
    record.offset = (int64_t) wh_batch_size(batch);
    record.odd = NULL;

    unit_rc(u, wh_batch_add(batch, &record, &u->err), WH_OK);
    free(copy);
}


static void
unit_add(unit_store_t *u, wh_batch_t *batch, const char *value)
{
    unit_add_key(u, batch, value, NULL, 0);
}


static void
unit_compute(unit_store_t *u, wh_batch_t *batch, size_t first, size_t count)
{
    unit_rc(u, wh_batch_compute(batch, first, count, u->store, &u->err),
            WH_OK);
}


/* Writes what was computed, in a transaction; rolls back after a conflict. */

static void
unit_write(unit_store_t *u, wh_batch_t *batch, int expected)
{
    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, wh_batch_write(batch, u->store, &u->err), expected);

    if (expected == WH_OK) {
        unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);

    } else {
        wh_store_rollback(u->store);
    }
}


static void
unit_check_outcome(const wh_batch_t *batch, size_t i, wh_verdict_t verdict,
    int64_t stock, int64_t version)
{
    const wh_outcome_t  *outcome;

    outcome = wh_batch_outcome(batch, i);

    assert_int_equal(outcome->verdict, verdict);
    assert_int_equal(outcome->stock, stock);
    assert_int_equal(outcome->version, version);

    if (verdict != WH_APPLIED) {
        assert_non_null(outcome->reason);
    }
}


static void
unit_check_item(unit_store_t *u, const char *sku, int64_t qty,
    int64_t version)
{
    wh_item_t  item;

    unit_rc(u, wh_store_get_item(u->store, sku, strlen(sku), &item, &u->err),
            WH_OK);
    assert_int_equal(item.qty, qty);
    assert_int_equal(item.version, version);
}


static void
test_apply(void **state)
{
    size_t               i;
    wh_item_t            item;
    const char          *reason;
    wh_command_t         c;
    const unit_apply_t  *row;

    (void) state;

    for (i = 0; i < unit_items(unit_applies); i++) {
        row = &unit_applies[i];

        memset(&c, 0, sizeof(c));
        c.action = row->action;
        c.qty = row->qty;
        c.expected_version = -1;
        c.expected_qty = -1;
        c.sku_len = 1;
        c.sku = "A";

        item = row->item;
        reason = wh_apply(&item, &c);

        assert_int_equal(reason != NULL, row->refused);
        assert_int_equal(item.qty, row->after.qty);
        assert_int_equal(item.version, row->after.version);
    }

    /* the word that the log is documented to use */

    item.qty = 3;
    item.version = 1;
    c.action = WH_DECREASE;
    c.qty = 4;
    assert_string_equal(wh_apply(&item, &c), "insufficient_stock");
}


static void
test_outcomes(void **state)
{
    size_t          i, n;
    wh_batch_t     *batch;
    wh_record_t     record;
    unit_store_t   *u = *state;

    n = unit_items(unit_outcomes);
    batch = unit_batch(u, n + 1);

    for (i = 0; i < n; i++) {
        unit_add(u, batch, unit_outcomes[i].value);
    }

    /* a record without a value */

    memset(&record, 0, sizeof(record));
    record.partition = 7;
    record.offset = INT64_C(5000000000);

    unit_rc(u, wh_batch_add(batch, &record, &u->err), WH_OK);
    assert_int_equal(wh_batch_size(batch), n + 1);

    unit_compute(u, batch, 0, n + 1);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), 0);
    unit_write(u, batch, WH_OK);

    for (i = 0; i < n; i++) {
        unit_check_outcome(batch, i, unit_outcomes[i].verdict,
                           unit_outcomes[i].stock, unit_outcomes[i].version);
        assert_int_equal(wh_batch_outcome(batch, i)->partition, 0);
        assert_int_equal(wh_batch_outcome(batch, i)->offset, i);
    }

    unit_check_outcome(batch, n, WH_MALFORMED, 0, 0);
    assert_int_equal(wh_batch_outcome(batch, n)->partition, 7);
    assert_int_equal(wh_batch_outcome(batch, n)->offset, INT64_C(5000000000));

    /* items that went down to 0 stay, refused ones are not made */

    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), 5);
    unit_check_item(u, "A", 1, 4);
    unit_check_item(u, "B", 3, 1);
    unit_check_item(u, "C", 0, 0);
    unit_check_item(u, "a", 5, 1);
    unit_check_item(u, "AA", 0, 2);
    unit_check_item(u, "caf\xc3\xa9", 2, 2);

    wh_batch_clear(batch);
    assert_int_equal(wh_batch_size(batch), 0);
    unit_compute(u, batch, 0, 0);
    unit_write(u, batch, WH_OK);

    wh_batch_destroy(batch);
    wh_batch_destroy(NULL);
}


/* A batch may be computed and written in parts. */

static void
test_parts(void **state)
{
    wh_batch_t    *batch;
    unit_store_t  *u = *state;

    batch = unit_batch(u, 4);
    unit_add(u, batch, INCREASE("A", "10"));
    unit_add(u, batch, INCREASE("B", "1"));
    unit_add(u, batch, DECREASE("A", "3"));
    unit_add(u, batch, DECREASE("B", "2"));

    unit_compute(u, batch, 0, 2);
    unit_write(u, batch, WH_OK);
    unit_check_item(u, "A", 10, 1);
    unit_check_item(u, "B", 1, 1);

    unit_compute(u, batch, 2, 2);
    unit_write(u, batch, WH_OK);
    unit_check_outcome(batch, 0, WH_APPLIED, 10, 1);
    unit_check_outcome(batch, 2, WH_APPLIED, 7, 2);
    unit_check_outcome(batch, 3, WH_REFUSED, 1, 1);
    unit_check_item(u, "A", 7, 2);
    unit_check_item(u, "B", 1, 1);

    wh_batch_destroy(batch);
}


/*
 * Loses the lock on one command to the SQL of somebody else, computes again
 * and expects this outcome.
 */

static void
unit_conflict(unit_store_t *u, const char *command, const char *sql,
    wh_verdict_t verdict, int64_t stock, int64_t version)
{
    wh_batch_t  *batch;

    unit_sql(u, "DELETE FROM items");
    unit_sql(u, "INSERT INTO items VALUES('A', 10, 5)");

    batch = unit_batch(u, 1);
    unit_add(u, batch, command);

    unit_compute(u, batch, 0, 1);
    unit_sql(u, sql);
    unit_write(u, batch, WH_CONFLICT);

    unit_compute(u, batch, 0, 1);
    unit_write(u, batch, WH_OK);
    unit_check_outcome(batch, 0, verdict, stock, version);

    wh_batch_destroy(batch);
}


static void
test_conflict_changed(void **state)
{
    unit_conflict(*state, DECREASE("A", "3"),
                  "UPDATE items SET qty = 4, version = 6 WHERE sku = 'A'",
                  WH_APPLIED, 1, 7);
    unit_check_item(*state, "A", 1, 7);

    /* the same stock again, but another version of it */

    unit_conflict(*state, DECREASE("A", "3"),
                  "UPDATE items SET version = 7 WHERE sku = 'A'",
                  WH_APPLIED, 7, 8);

    /* an older version: a database that somebody restored */

    unit_conflict(*state, INCREASE("A", "3"),
                  "UPDATE items SET qty = 2, version = 1 WHERE sku = 'A'",
                  WH_APPLIED, 5, 2);

    /* what was allowed is not any more */

    unit_conflict(*state, DECREASE("A", "3"),
                  "UPDATE items SET qty = 2, version = 6 WHERE sku = 'A'",
                  WH_REFUSED, 2, 6);
    unit_check_item(*state, "A", 2, 6);
}


static void
test_conflict_deleted(void **state)
{
    unit_conflict(*state, INCREASE("A", "3"), "DELETE FROM items",
                  WH_APPLIED, 3, 1);
    unit_conflict(*state, DECREASE("A", "3"), "DELETE FROM items",
                  WH_REFUSED, 0, 0);
    unit_check_item(*state, "A", 0, 0);
}


static void
test_conflict_inserted(void **state)
{
    unit_conflict(*state, INCREASE("N", "5"),
                  "INSERT INTO items VALUES('N', 7, 1)", WH_APPLIED, 12, 2);
    unit_check_item(*state, "N", 12, 2);
}


/* Losing one of many items takes back all; another item is no conflict. */

static void
test_conflict_of_many(void **state)
{
    int            i;
    char           value[128];
    wh_batch_t    *batch;
    unit_store_t  *u = *state;

    batch = unit_batch(u, 100);

    for (i = 0; i < 100; i++) {
        (void) snprintf(value, sizeof(value), INCREASE("S%d", "1"), i);
        unit_add(u, batch, value);
    }

    unit_compute(u, batch, 0, 100);
    unit_sql(u, "INSERT INTO items VALUES('S50', 1, 1)");
    unit_write(u, batch, WH_CONFLICT);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), 1);

    unit_compute(u, batch, 0, 100);
    unit_sql(u, "INSERT INTO items VALUES('unrelated', 1, 1)");
    unit_write(u, batch, WH_OK);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), 101);
    assert_int_equal(unit_sql_int(u, "SELECT sum(qty) FROM items"), 102);

    wh_batch_destroy(batch);
}


/* Thousands of commands on a few hundred skus, against the plainest model. */

static void
test_model(void **state)
{
    int             sku, decrease, qty, round;
    char            value[128], name[16];
    size_t          i;
    int64_t         stock[300], version[300], expected[2000];
    uint32_t        random;
    wh_batch_t     *batch;
    unit_store_t   *u = *state;

    random = 1;
    memset(stock, 0, sizeof(stock));
    memset(version, 0, sizeof(version));
    batch = unit_batch(u, 2000);

    for (round = 0; round < 5; round++) {
        wh_batch_clear(batch);

        for (i = 0; i < 2000; i++) {
            random = random * 1664525 + 1013904223;
            sku = (int) ((random >> 8) % 300);
            decrease = (random >> 20) & 1;
            qty = 1 + (int) ((random >> 24) % 50);

            (void) snprintf(value, sizeof(value),
                            "{\"action\":\"%s\",\"sku\":\"S%d\",\"qty\":%d}",
                            decrease ? "decrease" : "increase", sku, qty);
            unit_add(u, batch, value);

            if (!decrease || stock[sku] >= qty) {
                stock[sku] += decrease ? -qty : qty;
                version[sku]++;
            }

            expected[i] = stock[sku];
        }

        unit_compute(u, batch, 0, 2000);
        unit_write(u, batch, WH_OK);

        for (i = 0; i < 2000; i++) {
            assert_int_equal(wh_batch_outcome(batch, i)->stock, expected[i]);
        }
    }

    for (sku = 0; sku < 300; sku++) {
        (void) snprintf(name, sizeof(name), "S%d", sku);
        unit_check_item(u, name, stock[sku], version[sku]);
    }

    wh_batch_destroy(batch);
}


#define unit_store_test(f)                                                    \
    cmocka_unit_test_setup_teardown(f, unit_store_setup, unit_store_teardown)


static wh_batch_t *
unit_keyed_batch(unit_store_t *u)
{
    size_t       i;
    wh_batch_t  *batch;

    batch = unit_batch(u, unit_items(unit_keyed));

    for (i = 0; i < unit_items(unit_keyed); i++) {
        unit_add_key(u, batch, unit_keyed[i].value, unit_keyed[i].key,
                     unit_keyed[i].time);
    }

    return batch;
}


/* One batch with all of it, then the same commands in batches of one. */

static void
test_keys(void **state)
{
    size_t                 i, n;
    wh_batch_t            *batch;
    unit_store_t          *u = *state;
    const unit_keyed_t    *k;
    const wh_outcome_t    *o;

    n = unit_items(unit_keyed);
    batch = unit_keyed_batch(u);

    unit_compute(u, batch, 0, n);

    for (i = 0; i < n; i++) {
        k = &unit_keyed[i];
        o = wh_batch_outcome(batch, i);

        unit_check_outcome(batch, i, k->verdict, k->stock, k->version);

        if (k->reason != NULL) {
            assert_string_equal(o->reason, k->reason);
        }

        if (k->verdict == WH_DUPLICATE) {
            assert_int_equal(o->original.offset, k->original);
        }
    }

    unit_write(u, batch, WH_OK);
    unit_check_item(u, "A", 24, 4);

    wh_batch_destroy(batch);
}


static void
test_keys_of_slices(void **state)
{
    size_t                 i, n;
    wh_batch_t            *batch;
    unit_store_t          *u = *state;
    const unit_keyed_t    *k;

    n = unit_items(unit_keyed);
    batch = unit_keyed_batch(u);

    for (i = 0; i < n; i++) {
        k = &unit_keyed[i];

        unit_compute(u, batch, i, 1);
        unit_check_outcome(batch, i, k->verdict, k->stock, k->version);
        unit_write(u, batch, WH_OK);

        if (k->verdict == WH_DUPLICATE) {
            assert_int_equal(wh_batch_outcome(batch, i)->original.offset,
                             k->original);
        }
    }

    unit_check_item(u, "A", 24, 4);
    wh_batch_destroy(batch);
}


/* The oldest go first: by number, and by time in their own partition. */

static void
test_keys_forgotten(void **state)
{
    char           name[16];
    size_t         i;
    wh_use_t       use;
    unit_store_t  *u = *state;

    memset(&use, 0, sizeof(use));
    use.change = 1;

    for (i = 0; i < 2 * UNIT_KEYS; i++) {
        (void) snprintf(name, sizeof(name), "k%zu", i);
        use.offset = (int64_t) i;
        unit_rc(u, wh_store_put_key(u->store, "A", 1, name, &use, 1000,
                                    UNIT_KEYS, &u->err), WH_OK);
    }

    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM keys"), UNIT_KEYS);
    assert_int_equal(unit_sql_int(u, "SELECT min(offset) FROM keys"),
                     UNIT_KEYS);

    /* later, but in another partition; then in the same one */

    use.time = 3600000 + 1001;
    use.partition = 1;

    unit_rc(u, wh_store_put_key(u->store, "A", 1, "other", &use, 1000, 100,
                                &u->err), WH_OK);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM keys"),
                     UNIT_KEYS + 1);

    use.partition = 0;

    for (i = 0; i < UNIT_KEYS; i++) {
        (void) snprintf(name, sizeof(name), "late%zu", i);
        unit_rc(u, wh_store_put_key(u->store, "A", 1, name, &use, 1000, 100,
                                    &u->err), WH_OK);
    }

    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM keys"),
                     UNIT_KEYS + 1);
    assert_int_equal(unit_sql_int(u, "SELECT min(time) FROM keys"), use.time);
}


/* What may be in a batch can change while it is filled. */

static void
test_limit(void **state)
{
    wh_batch_t    *batch;
    unit_store_t  *u = *state;

    batch = unit_batch(u, 4);

    wh_batch_limit(batch, 2);
    unit_add(u, batch, INCREASE("A", "1"));
    assert_false(wh_batch_full(batch));
    unit_add(u, batch, INCREASE("B", "2"));
    assert_true(wh_batch_full(batch));

    wh_batch_limit(batch, 3);
    assert_false(wh_batch_full(batch));
    wh_batch_limit(batch, 2);

    /* what comes after the items were read would have none */

    unit_rc(u, wh_batch_prefetch(batch, u->store, &u->err), WH_OK);
    wh_batch_limit(batch, 100);
    assert_true(wh_batch_full(batch));

    unit_compute(u, batch, 0, 2);
    unit_check_outcome(batch, 0, WH_APPLIED, 1, 1);
    unit_check_outcome(batch, 1, WH_APPLIED, 2, 1);

    wh_batch_clear(batch);
    assert_false(wh_batch_full(batch));

    wh_batch_destroy(batch);
}


/* A batch with long texts is full before it has all the commands it may. */

static void
test_bytes(void **state)
{
    size_t         n;
    char           tracestate[512];
    wh_batch_t    *batch;
    wh_record_t    record;
    unit_store_t  *u = *state;

    batch = unit_batch(u, 10000);

    memset(tracestate, 'x', sizeof(tracestate));
    memcpy(tracestate, "a=", 2);

    memset(&record, 0, sizeof(record));
    record.value = INCREASE("A", "1");
    record.len = strlen(record.value);
    record.traceparent =
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    record.traceparent_len = strlen(record.traceparent);
    record.tracestate = tracestate;
    record.tracestate_len = sizeof(tracestate);

    for (n = 0; !wh_batch_full(batch); n++) {
        record.offset = (int64_t) n;
        unit_rc(u, wh_batch_add(batch, &record, &u->err), WH_OK);
    }

    assert_int_equal(n, 1 + (WH_BATCH_BYTES - 1)
                        / (record.traceparent_len + sizeof(tracestate)));

    wh_batch_clear(batch);
    assert_false(wh_batch_full(batch));

    wh_batch_destroy(batch);
}


/* In order, in one slice, and each in one of its own. */

static void
test_conditions(void **state)
{
    size_t               i, slices;
    wh_batch_t          *batch;
    unit_store_t        *u = *state;
    const wh_outcome_t  *o;
    const unit_keyed_t  *row;

    static const unit_keyed_t  rows[] = {
        { IF("A", "5", "\"expected_version\":1"), NULL, 1, WH_REFUSED,
          "version_mismatch", 0, 0, 0 },
        { IF("A", "5", "\"expected_version\":0"), "k", 1, WH_APPLIED, NULL,
          5, 1, 0 },
        { IF("A", "5", "\"expected_version\":0"), NULL, 1, WH_REFUSED,
          "version_mismatch", 5, 1, 0 },
        { IF("A", "1", "\"expected_qty\":4"), NULL, 1, WH_REFUSED,
          "qty_mismatch", 5, 1, 0 },
        { IF("A", "1", "\"expected_version\":1,\"expected_qty\":5"), NULL, 1,
          WH_APPLIED, NULL, 6, 2, 0 },
        { IF("A", "1", "\"expected_version\":2,\"expected_qty\":5"), NULL, 1,
          WH_REFUSED, "qty_mismatch", 6, 2, 0 },

        /* a key stands for the condition, too, not for the reference */

        { IF("A", "5", "\"expected_version\":0,\"reference\":\"x\""), "k", 1,
          WH_DUPLICATE, "idempotency_key_repeated", 6, 2, 1 },
        { IF("A", "5", "\"expected_version\":2"), "k", 1, WH_REFUSED,
          "idempotency_key_reused", 6, 2, 0 },
        { IF("A", "5", "\"expected_qty\":0"), "k", 1, WH_REFUSED,
          "idempotency_key_reused", 6, 2, 0 },
        { INCREASE("A", "5"), "k", 1, WH_REFUSED, "idempotency_key_reused",
          6, 2, 0 },
    };

    for (slices = 1; slices <= unit_items(rows); slices += unit_items(rows) - 1)
    {
        unit_sql(u, "DELETE FROM items; DELETE FROM keys;");
        batch = unit_batch(u, unit_items(rows));

        for (i = 0; i < unit_items(rows); i++) {
            unit_add_key(u, batch, rows[i].value, rows[i].key, rows[i].time);
        }

        for (i = 0; i < slices; i++) {
            unit_compute(u, batch, i * unit_items(rows) / slices,
                         unit_items(rows) / slices);
            unit_write(u, batch, WH_OK);
        }

        for (i = 0; i < unit_items(rows); i++) {
            row = &rows[i];
            o = wh_batch_outcome(batch, i);

            unit_check_outcome(batch, i, row->verdict, row->stock,
                               row->version);

            if (row->reason != NULL) {
                assert_string_equal(o->reason, row->reason);
            }

            if (row->verdict == WH_DUPLICATE) {
                assert_int_equal(o->original.offset, row->original);
            }
        }

        wh_batch_destroy(batch);
    }
}


static void
test_malformed_kept(void **state)
{
    char                *big;
    size_t               len;
    wh_batch_t          *batch;
    wh_record_t          record;
    unit_store_t        *u = *state;
    const wh_outcome_t  *o;

    batch = unit_batch(u, 3);
    big = unit_repeat("", 'x', WH_VALUE_MAX + 1, "", &len);

    unit_add(u, batch, "{}");
    unit_add(u, batch, big);
    unit_add_key(u, batch, INCREASE("A", "1"), "not valid", 0);

    o = wh_batch_outcome(batch, 0);
    assert_int_equal(o->malformed.len, 2);
    assert_memory_equal(o->malformed.value, "{}", 2);

    o = wh_batch_outcome(batch, 1);
    assert_int_equal(o->malformed.len, WH_VALUE_MAX + 1);
    assert_memory_equal(o->malformed.value, big, WH_VALUE_MAX);

    o = wh_batch_outcome(batch, 2);
    assert_int_equal(o->verdict, WH_MALFORMED);
    assert_string_equal(o->reason, "invalid_idempotency_key");
    assert_null(o->key);

    wh_batch_clear(batch);

    /* an empty value is one, no value is none */

    memset(&record, 0, sizeof(record));
    unit_rc(u, wh_batch_add(batch, &record, &u->err), WH_OK);
    assert_null(wh_batch_outcome(batch, 0)->malformed.value);

    record.value = "";
    unit_rc(u, wh_batch_add(batch, &record, &u->err), WH_OK);
    assert_non_null(wh_batch_outcome(batch, 1)->malformed.value);

    free(big);
    wh_batch_destroy(batch);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_apply),
        unit_store_test(test_outcomes),
        unit_store_test(test_keys),
        unit_store_test(test_keys_of_slices),
        unit_store_test(test_keys_forgotten),
        unit_store_test(test_limit),
        unit_store_test(test_bytes),
        unit_store_test(test_conditions),
        unit_store_test(test_malformed_kept),
        unit_store_test(test_parts),
        unit_store_test(test_conflict_changed),
        unit_store_test(test_conflict_deleted),
        unit_store_test(test_conflict_inserted),
        unit_store_test(test_conflict_of_many),
        unit_store_test(test_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
