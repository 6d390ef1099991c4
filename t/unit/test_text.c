/*
 * A bounded text: everything that fits, nothing in part, and never a byte more.
 */

#include "unit.h"

#include "ledger/line.h"
#include "wh_text.h"


/* What put does to a text of size bytes, in a block of just that size. */

static void
unit_bounded(void (*put)(wh_text_t *text), const char *expected)
{
    char       *buf;
    size_t      size, len;
    wh_text_t   text;

    len = strlen(expected);

    for (size = 0; size <= len + 8; size++) {
        buf = malloc(size + 1);
        assert_non_null(buf);
        memset(buf, '?', size + 1);

        wh_text_init(&text, buf, size);
        put(&text);

        assert_int_equal(buf[size], '?');
        assert_int_equal(text.full, size < len);

        if (!text.full) {
            assert_int_equal(wh_text_len(&text), len);
            assert_memory_equal(buf, expected, len);
        }

        free(buf);
    }
}


static void
unit_put_word(wh_text_t *text)
{
    wh_text_put(text, "word");
}


static void
unit_put_int(wh_text_t *text)
{
    wh_text_int(text, INT64_MIN);
}


static void
unit_put_string(wh_text_t *text)
{
    wh_text_string(text, "a\"\x1f", 3);
}


static void
unit_put_all(wh_text_t *text)
{
    wh_text_put(text, "{");
    wh_text_string(text, "", 0);
    wh_text_add(text, ":::", 1);
    wh_text_int(text, 0);
    wh_text_put(text, "}");
}


static void
test_bounds(void **state)
{
    (void) state;

    unit_bounded(unit_put_word, "word");
    unit_bounded(unit_put_int, "-9223372036854775808");
    unit_bounded(unit_put_string, "\"a\\\"\\u001f\"");
    unit_bounded(unit_put_all, "{\"\":0}");
}


/* Once something was left out, nothing comes behind it. */

static void
test_full(void **state)
{
    char       buf[8];
    wh_text_t  text;

    (void) state;

    wh_text_init(&text, buf, sizeof(buf));
    wh_text_put(&text, "1234");
    wh_text_put(&text, "56789");
    wh_text_put(&text, "5");
    wh_text_int(&text, 5);
    wh_text_string(&text, "5", 1);

    assert_true(text.full);
    assert_int_equal(wh_text_len(&text), 4);
    assert_memory_equal(buf, "1234", 4);
}


/* The longest line of the log fits its room: a duplicate, all escaped. */

static void
test_longest_line(void **state)
{
    char          buf[WH_LINE_LEN], sku[WH_SKU_MAX], key[WH_KEY_MAX + 1];
    wh_text_t     text;
    wh_outcome_t  o;

    (void) state;

    memset(&o, 0, sizeof(o));
    memset(sku, '"', sizeof(sku));
    memset(key, 'k', sizeof(key));
    key[WH_KEY_MAX] = '\0';

    o.verdict = WH_DUPLICATE;
    o.reason = "idempotency_key_repeated";
    o.command.qty = WH_QTY_MAX;
    o.command.sku = sku;
    o.command.sku_len = WH_SKU_MAX;
    o.key = key;
    o.stock = WH_QTY_MAX;
    o.version = WH_QTY_MAX;
    o.partition = INT32_MAX;
    o.offset = INT64_MAX;
    o.original.partition = INT32_MAX;
    o.original.offset = INT64_MAX;

    wh_text_init(&text, buf, sizeof(buf));
    wh_line_put(&text, &o);
    assert_false(text.full);
    assert_in_range(wh_text_len(&text), 2 * WH_SKU_MAX + WH_KEY_MAX,
                    sizeof(buf));

    /* and of the others the one with the longest reason */

    o.verdict = WH_REFUSED;
    o.reason = "idempotency_key_reused";

    wh_text_init(&text, buf, sizeof(buf));
    wh_line_put(&text, &o);
    assert_false(text.full);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_longest_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
