/*
 * Items that change together: one for each sku, in SQLite's order, whatever
 * the skus are like; and chunks of notifications, which are made of them.
 */

#include "unit_store.h"

#include "follow/chunk.h"
#include "ledger/items.h"


#define UNIT_SKUS  300


/* Skus that share a beginning, contain each other, or end in any byte. */

static size_t
unit_sku(char *sku, size_t common, unsigned r)
{
    size_t  i, len;

    memset(sku, 'P', common);
    len = common + 1 + r % 11;

    for (i = common; i < len; i++) {
        r = r * 1103515245 + 12345;
        sku[i] = (char) ((r >> 16) % 3 == 0 ? 'a' : (r >> 16) % 3 == 1 ? '\x01'
                                                                  : '\xff');
    }

    sku[len] = '\0';

    return len;
}


static void
test_order(void **state)
{
    int            order;
    char          *skus;
    size_t         i, k, len, common;
    wh_items_t    *items;
    wh_change_t   *a, *b;
    unit_store_t  *u = *state;

    skus = malloc(UNIT_SKUS * (WH_SKU_MAX + 1));
    assert_non_null(skus);

    for (common = 0; common <= WH_SKU_MAX - 11; common += 61) {

        unit_rc(u, wh_items_create(&items, UNIT_SKUS, &u->err), WH_OK);

        for (i = 0; i < UNIT_SKUS; i++) {
            /* most come more than once */
            len = unit_sku(skus + i * (WH_SKU_MAX + 1), common,
                           (unsigned) (i * i % 97));
            unit_rc(u, wh_items_add(items, skus + i * (WH_SKU_MAX + 1), len,
                                    &u->err), WH_OK);
        }

        unit_rc(u, wh_items_add(items, "A", 1, &u->err), WH_ERROR);
        unit_rc(u, wh_items_read(items, u->store, &u->err), WH_OK);

        for (i = 0; i < UNIT_SKUS; i++) {
            a = wh_items_at(items, i);
            assert_string_equal(a->sku, skus + i * (WH_SKU_MAX + 1));
            assert_int_equal(a->len, strlen(a->sku));
            assert_int_equal(a->now.version, 0);

            for (k = 0; k < i; k++) {
                b = wh_items_at(items, k);
                order = strcmp(a->sku, b->sku);
                assert_true(order == 0 ? a == b : order < 0 ? a < b : a > b);
            }
        }

        wh_items_destroy(items);
    }

    free(skus);
}


static void
test_write(void **state)
{
    wh_items_t    *items;
    unit_store_t  *u = *state;

    unit_sql(u, "INSERT INTO items VALUES('B', 5, 3)");

    unit_rc(u, wh_items_create(&items, 10, &u->err), WH_OK);
    unit_rc(u, wh_items_read(items, u->store, &u->err), WH_OK);

    unit_rc(u, wh_items_add(items, "B", 1, &u->err), WH_OK);
    unit_rc(u, wh_items_add(items, "A", 1, &u->err), WH_OK);
    unit_rc(u, wh_items_add(items, "B", 1, &u->err), WH_OK);
    unit_rc(u, wh_items_add(items, "C", 1, &u->err), WH_OK);
    unit_rc(u, wh_items_read(items, u->store, &u->err), WH_OK);

    assert_ptr_equal(wh_items_at(items, 0), wh_items_at(items, 2));
    assert_int_equal(wh_items_at(items, 2)->now.qty, 5);
    assert_int_equal(wh_items_at(items, 2)->now.version, 3);

    wh_items_at(items, 1)->now.version = 1;
    wh_items_at(items, 0)->now.qty = 6;
    wh_items_at(items, 2)->now.version = 4;

    /* C has not changed, so it is not written */

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, wh_items_write(items, u->store, &u->err), WH_OK);
    unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);
    assert_int_equal(unit_sql_int(u, "SELECT sum(qty * version) FROM items"),
                     24);
    assert_int_equal(unit_sql_int(u, "SELECT count(*) FROM items"), 2);

    /* what was read is not what is there any more */

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, wh_items_write(items, u->store, &u->err), WH_CONFLICT);
    wh_store_rollback(u->store);

    wh_items_destroy(items);
}


static void
unit_notify(unit_store_t *u, wh_chunk_t *chunk, const char *sku,
    int64_t version, int64_t stock, const char *key)
{
    wh_key_t           k;
    wh_notification_t  n;

    memset(&n, 0, sizeof(n));
    strcpy(n.texts, sku);
    n.command.sku = n.texts;
    n.command.sku_len = strlen(sku);
    n.command.qty = 1;
    n.command.expected_version = -1;
    n.command.expected_qty = -1;
    strcpy(n.topic, "commands");
    n.stock = stock;
    n.version = version;
    n.offset = version;

    if (key != NULL) {
        unit_rc(u, wh_key_set(&k, key, strlen(key), &u->err), WH_OK);
    }

    unit_rc(u, wh_chunk_add(chunk, version + 100, &n, key ? &k : NULL, 1000, 0,
                            &u->err), WH_OK);
}


static void
test_chunk(void **state)
{
    uint64_t            applied;
    wh_conf_t           conf;
    wh_chunk_t         *chunk;
    unit_store_t       *u = *state;
    wh_notification_t   n;

    memset(&conf, 0, sizeof(conf));
    conf.idempotency_retention = 1;
    conf.idempotency_keys = 10;

    unit_sql(u, "INSERT INTO items VALUES('A', 5, 3)");
    unit_rc(u, wh_chunk_create(&chunk, 6, &u->err), WH_OK);

    unit_notify(u, chunk, "A", 2, 9, "k2");      /* older */
    unit_notify(u, chunk, "A", 3, 5, NULL);      /* the same */
    unit_notify(u, chunk, "B", 1, 7, NULL);
    unit_notify(u, chunk, "A", 6, 8, "k6");      /* after a gap */
    unit_notify(u, chunk, "A", 5, 1, NULL);      /* late */
    unit_notify(u, chunk, "B", 2, 6, NULL);

    memset(&n, 0, sizeof(n));
    n.command.sku = "C";
    n.command.sku_len = 1;
    unit_rc(u, wh_chunk_add(chunk, 0, &n, NULL, 0, 0, &u->err), WH_ERROR);

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, wh_chunk_write(chunk, u->store, &conf, 110, &applied, &u->err),
            WH_OK);
    unit_rc(u, wh_store_commit(u->store, &u->err), WH_OK);

    assert_int_equal(applied, 3);
    assert_int_equal(unit_sql_int(u, "SELECT qty * 10 + version FROM items"
                                     " WHERE sku = 'A'"), 86);
    assert_int_equal(unit_sql_int(u, "SELECT qty * 10 + version FROM items"
                                     " WHERE sku = 'B'"), 62);

    /* also of the older one */

    assert_int_equal(unit_sql_int(u, "SELECT sum(offset) FROM keys"), 8);

    /* a version in between that the database has otherwise */

    wh_chunk_clear(chunk, 110);
    unit_notify(u, chunk, "A", 5, 1, NULL);
    unit_notify(u, chunk, "A", 6, 9, NULL);
    unit_notify(u, chunk, "A", 7, 10, NULL);

    unit_rc(u, wh_store_begin(u->store, &u->err), WH_OK);
    unit_rc(u, wh_chunk_write(chunk, u->store, &conf, 110, &applied, &u->err),
            WH_ERROR);
    assert_non_null(strstr(u->err.text, "\"A\" version 6 has stock 8"));
    wh_store_rollback(u->store);

    wh_chunk_destroy(chunk);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_order, unit_store_setup,
                                        unit_store_teardown),
        cmocka_unit_test_setup_teardown(test_write, unit_store_setup,
                                        unit_store_teardown),
        cmocka_unit_test_setup_teardown(test_chunk, unit_store_setup,
                                        unit_store_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
