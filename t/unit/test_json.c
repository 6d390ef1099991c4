/*
 * The JSON reader and writer below commands: members, numbers, names, strings.
 */

#include "unit.h"

#include "wh_json.h"


typedef struct {
    const char  *src;
    size_t       len;
    const char  *json;
    size_t       json_len;
} unit_string_t;


typedef struct {
    const char  *text;
    int64_t      min;
    int64_t      max;
    int          rc;
    int64_t      value;
} unit_integer_t;


static const unit_string_t  unit_strings[] = {

    { T(""), T("\"\"") },
    { T("SKU123"), T("\"SKU123\"") },
    { T("\""), T("\"\\\"\"") },
    { T("\\"), T("\"\\\\\"") },
    { T("\\u0041"), T("\"\\\\u0041\"") },
    { T("/"), T("\"/\"") },
    { T("a\"b\\c"), T("\"a\\\"b\\\\c\"") },
    { T("\x7f"), T("\"\x7f\"") },
    { T("\xc3\xa9\xe2\x82\xac"), T("\"\xc3\xa9\xe2\x82\xac\"") },
    { T("\xf0\x9f\x98\x80\xe2\x80\xa8"),
      T("\"\xf0\x9f\x98\x80\xe2\x80\xa8\"") },
};


static const unit_integer_t  unit_integers[] = {

    { "1", 1, WH_QTY_MAX, WH_OK, 1 },
    { "0", 1, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "0", 0, WH_QTY_MAX, WH_OK, 0 },
    { "-0", 0, WH_QTY_MAX, WH_OK, 0 },
    { "-0.0", 0, WH_QTY_MAX, WH_OK, 0 },
    { "-1", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "-1", -1, 1, WH_OK, -1 },
    { "-2", -1, 1, WH_ECOMMAND, 0 },
    { "2", -1, 1, WH_ECOMMAND, 0 },
    { "0.5", 0, 1, WH_ECOMMAND, 0 },
    { "1.5", 1, 2, WH_ECOMMAND, 0 },
    { "1.0", 1, 2, WH_OK, 1 },
    { "1.5e1", 1, 15, WH_OK, 15 },
    { "150E-1", 1, 15, WH_OK, 15 },
    { "5e-324", 0, 1, WH_ECOMMAND, 0 },
    { "0.99999999999999989", 0, 2, WH_ECOMMAND, 0 },
    { "0.99999999999999999", 0, 2, WH_OK, 1 },
    { "4503599627370495.5", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "2147483647", 0, INT32_MAX, WH_OK, 2147483647 },
    { "2147483648", 0, INT32_MAX, WH_ECOMMAND, 0 },
    { "2147483648", 0, WH_QTY_MAX, WH_OK, 2147483648 },
    { "9007199254740991", 0, WH_QTY_MAX, WH_OK, WH_QTY_MAX },
    { "9007199254740992", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "9007199254740993", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "9999999999999999", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "10000000000000000", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "18446744073709551617", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "-9007199254740991", -WH_QTY_MAX, WH_QTY_MAX, WH_OK, -WH_QTY_MAX },
    { "-9007199254740992", -WH_QTY_MAX, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "1e19", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "1e308", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "1e400", 0, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "-1e400", -WH_QTY_MAX, WH_QTY_MAX, WH_ECOMMAND, 0 },
    { "\"1\"", 0, 1, WH_ECOMMAND, 0 },
    { "true", 0, 1, WH_ECOMMAND, 0 },
    { "false", 0, 1, WH_ECOMMAND, 0 },
    { "null", 0, 1, WH_ECOMMAND, 0 },
    { "[1]", 0, 1, WH_ECOMMAND, 0 },
    { "{\"a\":1}", 0, 1, WH_ECOMMAND, 0 },
};


/* Writes src into a block of the size that was measured. */

static char *
unit_write_string(const char *src, size_t len, size_t *written)
{
    char    *copy, *dst;
    size_t   size;

    copy = unit_copy(src, len);
    size = wh_json_string(NULL, copy, len);

    dst = malloc(size);
    assert_non_null(dst);

    *written = wh_json_string(dst, copy, len);
    assert_int_equal(*written, size);

    free(copy);

    return dst;
}


/* Parses a copy of text, which the caller frees after wh_json_free(). */

static char *
unit_parse(const char *text, size_t len, wh_object_t *object)
{
    char        *copy;
    wh_error_t   err;

    copy = unit_copy(text, len);
    assert_int_equal(wh_json_parse(copy, len, object, &err), WH_OK);

    return copy;
}


static void
test_string(void **state)
{
    char                 *dst;
    size_t                i, len;
    const unit_string_t  *row;

    (void) state;

    for (i = 0; i < unit_items(unit_strings); i++) {
        row = &unit_strings[i];
        dst = unit_write_string(row->src, row->len, &len);

        assert_int_equal(len, row->json_len);
        assert_memory_equal(dst, row->json, len);

        free(dst);
    }
}


/* Whatever the bytes, the reader gives back what was written. */

static void
test_string_round_trip(void **state)
{
    int           i, j;
    char          src[64], got[64], text[256], *copy, *dst;
    size_t        len, n;
    wh_object_t   object;
    static const char *const  units[] = { "A", "\"", "\\", "/", "\b", "\f",
                                          "\n", "\r", "\t", "\x01", "\x1f",
                                          "\x7f", "\xc2\x80", "\xc3\xa9",
                                          "\xef\xbf\xbf",
                                          "\xf4\x8f\xbf\xbf" };

    (void) state;

    for (i = 0; i < (int) unit_items(units); i++) {
        for (j = 0; j < (int) unit_items(units); j++) {
            n = (size_t) snprintf(src, sizeof(src), "%s%s%s", units[i],
                                  units[j], units[i]);
            dst = unit_write_string(src, n, &len);

            len = (size_t) snprintf(text, sizeof(text), "{%.*s:%.*s}",
                                    (int) len, dst, (int) len, dst);

            copy = unit_parse(text, len, &object);

            assert_int_equal(object.n, 1);
            assert_int_equal(object.members[0].name_len, n);
            assert_memory_equal(object.members[0].name, src, n);
            assert_int_equal(wh_json_text(object.members, got, n + 1, &len),
                             WH_OK);
            assert_int_equal(len, n);
            assert_string_equal(got, src);
            assert_int_equal(wh_json_text(object.members, got, n, &len),
                             WH_ECOMMAND);

            wh_json_free(&object);
            free(copy);
            free(dst);
        }
    }
}


static void
test_string_longest(void **state)
{
    char    src[WH_SKU_MAX], *dst;
    size_t  len;

    (void) state;

    memset(src, '"', sizeof(src));
    dst = unit_write_string(src, sizeof(src), &len);
    assert_int_equal(len, 2 * WH_SKU_MAX + 2);
    free(dst);

    memset(src, 1, sizeof(src));
    dst = unit_write_string(src, sizeof(src), &len);
    assert_int_equal(len, 6 * WH_SKU_MAX + 2);
    free(dst);
}


static void
unit_check_int(int64_t n)
{
    char    expected[32], *dst;
    size_t  len;

    len = (size_t) snprintf(expected, sizeof(expected), "%lld",
                            (long long) n);
    dst = malloc(len);
    assert_non_null(dst);

    assert_int_equal(wh_json_int(dst, n), len);
    assert_memory_equal(dst, expected, len);

    free(dst);
}


static void
test_int(void **state)
{
    int64_t  n;

    (void) state;

    unit_check_int(0);
    unit_check_int(INT32_MIN);
    unit_check_int(INT32_MAX);
    unit_check_int(INT64_MAX);
    unit_check_int(INT64_MIN);
    unit_check_int(INT64_MIN + 1);
    unit_check_int(WH_QTY_MAX);

    for (n = 1; n <= INT64_C(100000000000000000); n *= 10) {
        unit_check_int(n - 1);
        unit_check_int(n);
        unit_check_int(n + 1);
        unit_check_int(1 - n);
        unit_check_int(-n);
    }
}


static void
test_integer(void **state)
{
    int                    rc;
    char                   text[64], *copy;
    size_t                 i, failed, len;
    int64_t                n;
    wh_object_t            object;
    const unit_integer_t  *row;

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(unit_integers); i++) {
        row = &unit_integers[i];
        len = (size_t) snprintf(text, sizeof(text), "{\"n\":%s}", row->text);
        copy = unit_parse(text, len, &object);

        rc = wh_json_integer(wh_json_member(&object, "n"), row->min, row->max,
                             &n);
        failed += unit_differ(text, len, rc, row->rc);

        if (rc == WH_OK) {
            failed += unit_differ(text, len, n, row->value);
        }

        wh_json_free(&object);
        free(copy);
    }

    assert_int_equal(failed, 0);

    /* a field that is not there */

    assert_int_equal(wh_json_integer(NULL, 0, 1, &n), WH_ECOMMAND);
}


static void
unit_check_unique(const char *text, int expected)
{
    char         *copy;
    size_t        len;
    wh_error_t    err;
    wh_object_t   object;

    len = strlen(text);
    copy = unit_parse(text, len, &object);

    assert_int_equal(unit_differ(text, len, wh_json_unique(&object, &err),
                                 expected), 0);

    wh_json_free(&object);
    free(copy);
}


static void
test_unique(void **state)
{
    (void) state;

    unit_check_unique("{}", WH_OK);
    unit_check_unique("{\"a\":1}", WH_OK);
    unit_check_unique("{\"a\":1,\"b\":1,\"A\":1,\"aa\":1,\"\":1}", WH_OK);
    unit_check_unique("{\"a\":1,\"a\":2}", WH_EJSON);
    unit_check_unique("{\"\":1,\"\":2}", WH_EJSON);
    unit_check_unique("{\"a\":1,\"b\":1,\"c\":1,\"a\":2}", WH_EJSON);
    unit_check_unique("{\"a\":1,\"\\u0061\":2}", WH_EJSON);
    unit_check_unique("{\"a\":{\"b\":1,\"b\":1}}", WH_OK);
}


/* 1 to 200 names, of which the first comes again at the end, or does not. */

static void
test_unique_many(void **state)
{
    int    i, n, again;
    char  *text, *p;

    (void) state;

    text = malloc(200 * 16);
    assert_non_null(text);

    for (n = 1; n <= 200; n++) {
        for (again = 0; again <= 1; again++) {
            p = stpcpy(text, "{");

            for (i = 0; i < n; i++) {
                p += sprintf(p, "\"%d\":0,", i);
            }

            (void) sprintf(p, "\"%s\":0}", again ? "0" : "x");
            unit_check_unique(text, again ? WH_EJSON : WH_OK);
        }
    }

    free(text);
}


/* Only an object has members: its own, not those of what is in it. */

static void
test_members(void **state)
{
    char               *copy, got[8];
    size_t              len;
    wh_error_t          err;
    wh_object_t         object;
    const wh_member_t  *m;

    (void) state;

    copy = unit_parse(T(" {\"a\" : [{\"x\":1}] ,\"\\u0062\":{\"x\":2},"
                        "\"c\":\"\\n\",\"a\":3} "), &object);

    assert_int_equal(object.n, 4);
    assert_null(wh_json_member(&object, "x"));
    assert_null(wh_json_member(&object, ""));

    m = wh_json_member(&object, "a");
    assert_ptr_equal(m, &object.members[0]);
    assert_int_equal(m->len, sizeof("[{\"x\":1}]") - 1);
    assert_memory_equal(m->value, "[{\"x\":1}]", m->len);
    assert_int_equal(wh_json_text(m, got, sizeof(got), &len), WH_ECOMMAND);

    m = wh_json_member(&object, "b");
    assert_ptr_equal(m, &object.members[1]);
    assert_int_equal(m->len, sizeof("{\"x\":2}") - 1);

    m = wh_json_member(&object, "c");
    assert_int_equal(wh_json_text(m, got, sizeof(got), &len), WH_OK);
    assert_string_equal(got, "\n");
    assert_int_equal(wh_json_text(NULL, got, sizeof(got), &len), WH_ECOMMAND);

    wh_json_free(&object);
    free(copy);

    assert_int_equal(wh_json_parse(T("nul"), &object, &err), WH_EJSON);
    assert_int_equal(wh_json_parse(T("{\"\\u0061\":1"), &object, &err),
                     WH_EJSON);
    assert_int_equal(wh_json_parse(T("null"), &object, &err), WH_ECOMMAND);
    assert_int_equal(wh_json_parse(T(" [{\"a\":1}]"), &object, &err),
                     WH_ECOMMAND);
    assert_string_equal(err.reason, "not_an_object");
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_string),
        cmocka_unit_test(test_string_round_trip),
        cmocka_unit_test(test_string_longest),
        cmocka_unit_test(test_int),
        cmocka_unit_test(test_integer),
        cmocka_unit_test(test_unique),
        cmocka_unit_test(test_unique_many),
        cmocka_unit_test(test_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
