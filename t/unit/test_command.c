/*
 * Commands: what is JSON but not a command (422), and the writer.
 * What is not JSON at all is in test_command_text.c.
 */

#include "unit.h"


#define INCREASE  "{\"action\":\"increase\","


typedef struct {
    const char  *text;
    size_t       len;
    int          rc;
    const char  *pointer;
} unit_command_row_t;


typedef struct {
    const char  *sku;       /* as it stands between the quotes */
    size_t       len;
    int          rc;
    const char  *decoded;
    size_t       decoded_len;
} unit_sku_row_t;


typedef struct {
    const char  *text;
    int          rc;
    int64_t      qty;
} unit_qty_row_t;


typedef struct {
    const char  *prefix;
    char         digit;
    size_t       count;
    const char  *suffix;
    int          rc;
    int64_t      qty;
} unit_long_row_t;


static const unit_command_row_t  unit_commands[] = {

    { T(INCREASE "\"sku\":\"A\",\"qty\":1}"), WH_OK, NULL },
    { T("{\"action\":\"decrease\",\"sku\":\"A\",\"qty\":1}"), WH_OK, NULL },
    { T("{\"qty\":1,\"sku\":\"A\",\"action\":\"decrease\"}"), WH_OK, NULL },
    { T("{\"\\u0061ction\":\"incre\\u0061se\",\"sku\":\"A\",\"qty\":1}"),
      WH_OK, NULL },

    /* action */
    { T("{\"sku\":\"A\",\"qty\":1}"), WH_ECOMMAND, "#/action" },
    { T("{\"action\":\"\",\"sku\":\"A\",\"qty\":1}"),
      WH_ECOMMAND, "#/action" },
    { T("{\"action\":\"Increase\",\"sku\":\"A\",\"qty\":1}"),
      WH_ECOMMAND, "#/action" },
    { T("{\"action\":\"increas\",\"sku\":\"A\",\"qty\":1}"),
      WH_ECOMMAND, "#/action" },
    { T("{\"action\":\"increased\",\"sku\":\"A\",\"qty\":1}"),
      WH_ECOMMAND, "#/action" },
    { T("{\"action\":\"increase \",\"sku\":\"A\",\"qty\":1}"),
      WH_ECOMMAND, "#/action" },
    { T("{\"action\":null,\"sku\":\"A\",\"qty\":1}"),
      WH_ECOMMAND, "#/action" },
    { T("{\"action\":0,\"sku\":\"A\",\"qty\":1}"), WH_ECOMMAND, "#/action" },
    { T("{\"action\":[\"increase\"],\"sku\":\"A\",\"qty\":1}"),
      WH_ECOMMAND, "#/action" },

    /* names are compared with their case */
    { T("{\"Action\":\"increase\",\"sku\":\"A\",\"qty\":1}"),
      WH_ECOMMAND, "#/action" },
    { T(INCREASE "\"SKU\":\"A\",\"qty\":1}"), WH_ECOMMAND, "#/sku" },
    { T(INCREASE "\"sku\":\"A\",\"Qty\":1}"), WH_ECOMMAND, "#/qty" },
    { T("{\"ACTION\":\"fly\",\"Sku\":1,\"QTY\":0,"
        "\"action\":\"increase\",\"sku\":\"A\",\"qty\":1}"), WH_OK, NULL },

    /* sku and qty of another type, or not there; the sku's bytes are below */
    { T(INCREASE "\"qty\":1}"), WH_ECOMMAND, "#/sku" },
    { T(INCREASE "\"sku\":null,\"qty\":1}"), WH_ECOMMAND, "#/sku" },
    { T(INCREASE "\"sku\":7,\"qty\":1}"), WH_ECOMMAND, "#/sku" },
    { T(INCREASE "\"sku\":true,\"qty\":1}"), WH_ECOMMAND, "#/sku" },
    { T(INCREASE "\"sku\":[\"A\"],\"qty\":1}"), WH_ECOMMAND, "#/sku" },
    { T(INCREASE "\"sku\":{\"sku\":\"A\"},\"qty\":1}"),
      WH_ECOMMAND, "#/sku" },
    { T(INCREASE "\"sku\":\"A\"}"), WH_ECOMMAND, "#/qty" },

    /* conditions and the reference */
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"expected_version\":0,"
        "\"expected_qty\":9007199254740991,\"reference\":\"\"}"), WH_OK, NULL },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"reference\":\"\\u0001\\n\x7f\"}"),
      WH_OK, NULL },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"expected_version\":null}"),
      WH_ECOMMAND, "#/expected_version" },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"expected_version\":-1}"),
      WH_ECOMMAND, "#/expected_version" },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"expected_qty\":\"1\"}"),
      WH_ECOMMAND, "#/expected_qty" },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"expected_qty\":1.5}"),
      WH_ECOMMAND, "#/expected_qty" },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"reference\":7}"),
      WH_ECOMMAND, "#/reference" },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"reference\":null}"),
      WH_ECOMMAND, "#/reference" },

    /* unknown fields are ignored */
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"x\":null}"), WH_OK, NULL },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"\":\"\"}"), WH_OK, NULL },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"x\":1e400}"), WH_OK, NULL },
    { T(INCREASE "\"sku\":\"A\",\"qty\":1,\"x\":\"\\u0001\\u0080\"}"),
      WH_OK, NULL },
    { T("{\"x\":{\"qty\":0,\"sku\":[\"\"],\"action\":{}},"
        "\"action\":\"increase\",\"sku\":\"A\",\"qty\":1}"), WH_OK, NULL },

    /* a nested field is not the command's */
    { T(INCREASE "\"sku\":\"A\",\"x\":{\"qty\":1}}"), WH_ECOMMAND, "#/qty" },

    /* JSON, but not an object */
    { T("{}"), WH_ECOMMAND, "#/action" },
    { T("[]"), WH_ECOMMAND, NULL },
    { T("[" INCREASE "\"sku\":\"A\",\"qty\":1}]"), WH_ECOMMAND, NULL },
    { T("\"increase\""), WH_ECOMMAND, NULL },
    { T("1"), WH_ECOMMAND, NULL },
    { T("-0.5e-1"), WH_ECOMMAND, NULL },
    { T("true"), WH_ECOMMAND, NULL },
    { T("false"), WH_ECOMMAND, NULL },
    { T(" null "), WH_ECOMMAND, NULL },
};


static const unit_sku_row_t  unit_skus[] = {

    { T("SKU123"), WH_OK, T("SKU123") },
    { T(" "), WH_OK, T(" ") },
    { T(""), WH_ECOMMAND, T("") },

    /* escapes */
    { T("\\\"\\\\\\/"), WH_OK, T("\"\\/") },
    { T("\\u0041\\u00e9\\u20AC"), WH_OK, T("A\xc3\xa9\xe2\x82\xac") },
    { T("\\ud83d\\ude00"), WH_OK, T("\xf0\x9f\x98\x80") },
    { T("\\uDBFF\\uDFFF"), WH_OK, T("\xf4\x8f\xbf\xbf") },

    /* control characters: C0, DEL, C1, and their neighbours */
    { T("a\\u0001"), WH_ECOMMAND, T("") },
    { T("\\u001f"), WH_ECOMMAND, T("") },
    { T("\\u0020"), WH_OK, T(" ") },
    { T("a\\tb"), WH_ECOMMAND, T("") },
    { T("\\n"), WH_ECOMMAND, T("") },
    { T("\\b"), WH_ECOMMAND, T("") },
    { T("\\f"), WH_ECOMMAND, T("") },
    { T("\\r"), WH_ECOMMAND, T("") },
    { T("~\\u007e"), WH_OK, T("~~") },
    { T("\x7f"), WH_ECOMMAND, T("") },
    { T("\\u007f"), WH_ECOMMAND, T("") },
    { T("\xc2\x80"), WH_ECOMMAND, T("") },
    { T("\\u0080"), WH_ECOMMAND, T("") },
    { T("a\xc2\x9f" "b"), WH_ECOMMAND, T("") },
    { T("\\u009F"), WH_ECOMMAND, T("") },
    { T("\xc2\xa0"), WH_OK, T("\xc2\xa0") },
    { T("\\u00a0"), WH_OK, T("\xc2\xa0") },

    /* bytes that are C1 only where they stand alone */
    { T("\xc3\x80\xe2\x82\x80"), WH_OK, T("\xc3\x80\xe2\x82\x80") },

    /* neither a control character nor the start of a text */
    { T("a\xef\xbb\xbf\xe2\x80\xa8"), WH_OK, T("a\xef\xbb\xbf\xe2\x80\xa8") },
    { T("\xef\xbf\xbf"), WH_OK, T("\xef\xbf\xbf") },
};


static const unit_qty_row_t  unit_qtys[] = {

    { "1", WH_OK, 1 },
    { "10", WH_OK, 10 },
    { "10.0", WH_OK, 10 },
    { "1e1", WH_OK, 10 },
    { "1E+1", WH_OK, 10 },
    { "1e01", WH_OK, 10 },
    { "1e0", WH_OK, 1 },
    { "100e-2", WH_OK, 1 },
    { "0.1e1", WH_OK, 1 },
    { "1.25e2", WH_OK, 125 },
    { "2147483648", WH_OK, INT64_C(2147483648) },
    { "9007199254740991", WH_OK, INT64_C(9007199254740991) },
    { "9.007199254740991e15", WH_OK, INT64_C(9007199254740991) },

    /* read as a double first */
    { "9007199254740990.5", WH_OK, INT64_C(9007199254740990) },
    { "9007199254740991.4", WH_OK, INT64_C(9007199254740991) },
    { "9007199254740991.5", WH_ECOMMAND, 0 },
    { "0.99999999999999999999", WH_OK, 1 },
    { "1.00000000000000000001", WH_OK, 1 },
    { "1.0000000000000003", WH_ECOMMAND, 0 },
    { "0.9999999999999998", WH_ECOMMAND, 0 },

    { "0", WH_ECOMMAND, 0 },
    { "0.0", WH_ECOMMAND, 0 },
    { "-0", WH_ECOMMAND, 0 },
    { "0e9", WH_ECOMMAND, 0 },
    { "-1", WH_ECOMMAND, 0 },
    { "-5", WH_ECOMMAND, 0 },
    { "0.5", WH_ECOMMAND, 0 },
    { "1.5", WH_ECOMMAND, 0 },
    { "1e-1", WH_ECOMMAND, 0 },
    { "9007199254740992", WH_ECOMMAND, 0 },
    { "9007199254740993", WH_ECOMMAND, 0 },
    { "9223372036854775807", WH_ECOMMAND, 0 },
    { "9223372036854775808", WH_ECOMMAND, 0 },
    { "18446744073709551617", WH_ECOMMAND, 0 },
    { "1e16", WH_ECOMMAND, 0 },
    { "1e308", WH_ECOMMAND, 0 },
    { "1e400", WH_ECOMMAND, 0 },
    { "-1e400", WH_ECOMMAND, 0 },
    { "1e-400", WH_ECOMMAND, 0 },
    { "1e99999999999999999999", WH_ECOMMAND, 0 },
    { "1e-99999999999999999999", WH_ECOMMAND, 0 },
    { "0e99999999999999999999", WH_ECOMMAND, 0 },

    { "\"3\"", WH_ECOMMAND, 0 },
    { "true", WH_ECOMMAND, 0 },
    { "false", WH_ECOMMAND, 0 },
    { "null", WH_ECOMMAND, 0 },
    { "[1]", WH_ECOMMAND, 0 },
    { "{}", WH_ECOMMAND, 0 },
};


/* cJSON 1.7.15 would read at most 63 bytes of a number */

static const unit_long_row_t  unit_long_qtys[] = {

    { "1.", '0', 60, "", WH_OK, 1 },
    { "1.", '0', 61, "", WH_OK, 1 },
    { "1.", '0', 62, "", WH_OK, 1 },
    { "1.", '0', 63, "", WH_OK, 1 },
    { "1.", '0', 100, "", WH_OK, 1 },
    { "1.", '0', 100000, "", WH_OK, 1 },
    { "12.", '0', 100, "e0", WH_OK, 12 },
    { "1.", '0', 100, "1", WH_OK, 1 },
    { "1.", '0', 100, "e1", WH_OK, 10 },
    { "1.5", '0', 100, "e1", WH_OK, 15 },
    { "0.", '0', 99, "1e100", WH_OK, 1 },
    { "0.", '0', 400, "1e401", WH_OK, 1 },
    { "0.", '0', 400, "15e402", WH_OK, 15 },
    { "1", '0', 100, "e-100", WH_OK, 1 },
    { "1", '0', 400, "e-399", WH_OK, 10 },
    { "1e", '0', 100, "1", WH_OK, 10 },
    { "1e+", '0', 100, "", WH_OK, 1 },
    { "10e-", '0', 100, "1", WH_OK, 1 },
    { "0.", '9', 100, "", WH_OK, 1 },
    { "9007199254740991.", '0', 100, "", WH_OK, WH_QTY_MAX },
    { "9007199254740991.4", '9', 100, "", WH_OK, WH_QTY_MAX },
    { "9007199254740990.5", '0', 100, "", WH_OK, WH_QTY_MAX - 1 },
    { "9007199254740990.5", '0', 100, "1", WH_OK, WH_QTY_MAX },

    { "1.5", '0', 100, "", WH_ECOMMAND, 0 },
    { "1.", '3', 100, "", WH_ECOMMAND, 0 },
    { "-1.", '0', 100, "", WH_ECOMMAND, 0 },
    { "0.", '0', 100, "", WH_ECOMMAND, 0 },
    { "9007199254740991.5", '0', 100, "", WH_ECOMMAND, 0 },
    { "9007199254740992.", '0', 100, "", WH_ECOMMAND, 0 },
    { "1", '0', 100, "", WH_ECOMMAND, 0 },
    { "1", '0', 400, "", WH_ECOMMAND, 0 },
    { "1e", '9', 100, "", WH_ECOMMAND, 0 },
    { "1e-", '9', 100, "", WH_ECOMMAND, 0 },
    { "0e", '9', 100, "", WH_ECOMMAND, 0 },
    { "0.", '0', 100, "1", WH_ECOMMAND, 0 },

    { "", '0', 100, "", WH_EJSON, 0 },
    { "0", '1', 100, "", WH_EJSON, 0 },
    { "1.", '0', 100, ".", WH_EJSON, 0 },
    { "1.", '0', 100, "e", WH_EJSON, 0 },
    { "1.", '0', 100, "x", WH_EJSON, 0 },
    { "1", '0', 100, ".", WH_EJSON, 0 },
    { "+1.", '0', 100, "", WH_EJSON, 0 },
};


static void
test_fields(void **state)
{
    int                        rc;
    size_t                     i, failed;
    wh_error_t                 err;
    wh_command_t               c;
    const unit_command_row_t  *row;

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(unit_commands); i++) {
        row = &unit_commands[i];
        rc = unit_decode(row->text, row->len, &c, &err);
        failed += unit_differ(row->text, row->len, rc, row->rc);

        if (rc == WH_ECOMMAND) {
            unit_check_pointer(&err, row->pointer);
        }
    }

    assert_int_equal(failed, 0);
}


static void
test_action(void **state)
{
    wh_error_t    err;
    wh_command_t  c;

    (void) state;

    assert_int_equal(unit_decode(unit_commands[0].text, unit_commands[0].len,
                                 &c, &err), WH_OK);
    assert_int_equal(c.action, WH_INCREASE);

    assert_int_equal(unit_decode(unit_commands[1].text, unit_commands[1].len,
                                 &c, &err), WH_OK);
    assert_int_equal(c.action, WH_DECREASE);
}


static void
test_sku(void **state)
{
    int                    rc, len;
    char                   text[256];
    size_t                 i, failed;
    wh_error_t             err;
    wh_command_t           c;
    const unit_sku_row_t  *row;

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(unit_skus); i++) {
        row = &unit_skus[i];
        len = snprintf(text, sizeof(text), INCREASE "\"sku\":\"%s\",\"qty\":1}",
                       row->sku);

        rc = unit_decode(text, (size_t) len, &c, &err);
        failed += unit_differ(text, (size_t) len, rc, row->rc);

        if (rc == WH_OK) {
            assert_int_equal(c.sku_len, row->decoded_len);
            assert_memory_equal(c.sku, row->decoded, row->decoded_len + 1);

        } else {
            unit_check_pointer(&err, "#/sku");
        }
    }

    assert_int_equal(failed, 0);
}


/* 1 to 255 bytes of UTF-8, however many were needed to write them. */

static void
test_sku_length(void **state)
{
    char                       *text, *p;
    size_t                      i, n, len, failed, width;
    wh_error_t                  err;
    wh_command_t                c;
    static const char *const    units[] = { "A", "\xc3\xa9", "\xe2\x82\xac",
                                            "\xf0\x9f\x98\x80", "\\u0041",
                                            "\\\"" };
    static const size_t         widths[] = { 1, 2, 3, 4, 1, 1 };

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(units); i++) {
        width = widths[i];

        for (n = 255 / width - 2; n <= 255 / width + 2; n++) {
            text = malloc(64 + n * strlen(units[i]));
            assert_non_null(text);

            p = text + sprintf(text, INCREASE "\"qty\":1,\"sku\":\"");
            for (len = 0; len < n; len++) {
                p = stpcpy(p, units[i]);
            }
            p = stpcpy(p, "\"}");

            len = (size_t) (p - text);
            failed += unit_differ(text, len, unit_decode(text, len, &c, &err),
                                  n * width <= 255 ? WH_OK : WH_ECOMMAND);
            if (n * width <= 255) {
                failed += unit_differ(text, len, (int64_t) c.sku_len,
                                      (int64_t) (n * width));
                assert_int_equal(c.sku[c.sku_len], '\0');
            }

            free(text);
        }
    }

    assert_int_equal(failed, 0);
}


static void
test_qty(void **state)
{
    int                    rc, len;
    char                   text[256];
    size_t                 i, failed;
    wh_error_t             err;
    wh_command_t           c;
    const unit_qty_row_t  *row;

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(unit_qtys); i++) {
        row = &unit_qtys[i];
        len = snprintf(text, sizeof(text), INCREASE "\"sku\":\"A\",\"qty\":%s}",
                       row->text);

        rc = unit_decode(text, (size_t) len, &c, &err);
        failed += unit_differ(text, (size_t) len, rc, row->rc);

        if (rc == WH_OK) {
            failed += unit_differ(text, (size_t) len, c.qty, row->qty);

        } else {
            unit_check_pointer(&err, "#/qty");
        }
    }

    assert_int_equal(failed, 0);
}


/* Each number stands for qty, between digits in strings, and for an extra. */

static void
test_long_numbers(void **state)
{
    int                     rc;
    char                   *number, *text;
    size_t                  i, len, failed;
    wh_error_t              err;
    wh_command_t            c;
    const unit_long_row_t  *row;

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(unit_long_qtys); i++) {
        row = &unit_long_qtys[i];
        number = unit_repeat(row->prefix, row->digit, row->count, row->suffix,
                             &len);
        text = malloc(3 * len + 256);
        assert_non_null(text);

        len = (size_t) sprintf(text, INCREASE "\"qty\":%s ,\"sku\":\"%0100d\"}",
                               number, 7);
        rc = unit_decode(text, len, &c, &err);
        failed += unit_differ(text, len, rc, row->rc);

        if (rc == WH_OK) {
            failed += unit_differ(text, len, c.qty, row->qty);
            failed += unit_differ(text, len, (int64_t) c.sku_len, 100);
        }

        len = (size_t) sprintf(text, INCREASE "\"x\":[%s,{\"y\":%s}],"
                               "\"qty\":3,\"sku\":\"A\",\"z\":%s}",
                               number, number, number);
        rc = unit_decode(text, len, &c, &err);
        failed += unit_differ(text, len, rc,
                              row->rc == WH_EJSON ? WH_EJSON : WH_OK);

        free(text);
        free(number);
    }

    assert_int_equal(failed, 0);
}


static void
test_write(void **state)
{
    char                *dst;
    size_t               len;
    wh_text_t            text;
    wh_error_t           err;
    char                 sku[WH_SKU_MAX];
    wh_command_t         c, read;
    static const char    expected[] =
        "{\"action\":\"increase\",\"sku\":\"SKU123\",\"qty\":10}";

    (void) state;

    dst = malloc(WH_COMMAND_LEN);
    assert_non_null(dst);

    memset(&c, 0, sizeof(c));
    c.qty = 10;
    c.expected_version = -1;
    c.expected_qty = -1;
    c.sku_len = 6;
    c.sku = "SKU123";

    wh_text_init(&text, dst, WH_COMMAND_LEN);
    wh_command_put(&text, &c);
    assert_int_equal(wh_text_len(&text), sizeof(expected) - 1);
    assert_memory_equal(dst, expected, sizeof(expected) - 1);

    /* the longest: every byte of the sku escaped */

    c.action = WH_DECREASE;
    c.qty = WH_QTY_MAX;
    c.sku_len = WH_SKU_MAX;
    memset(sku, '"', WH_SKU_MAX);
    c.sku = sku;

    wh_text_init(&text, dst, WH_COMMAND_LEN);
    wh_command_put(&text, &c);
    assert_false(text.full);
    len = wh_text_len(&text);
    assert_in_range(len, 2 * WH_SKU_MAX, WH_COMMAND_LEN);
    assert_int_equal(unit_decode(dst, len, &read, &err), WH_OK);
    assert_int_equal(read.action, WH_DECREASE);
    assert_int_equal(read.qty, WH_QTY_MAX);
    assert_int_equal(read.sku_len, WH_SKU_MAX);
    assert_memory_equal(read.sku, c.sku, WH_SKU_MAX);

    free(dst);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_action),
        cmocka_unit_test(test_sku),
        cmocka_unit_test(test_sku_length),
        cmocka_unit_test(test_qty),
        cmocka_unit_test(test_long_numbers),
        cmocka_unit_test(test_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
