/*
 * The JSON reader and writer below commands: numbers, names, strings.
 */

#include "unit.h"

#include <math.h>

#include "wh_json.h"
#include "wh_json_check.h"


typedef struct {
    const char  *src;
    size_t       len;
    const char  *json;
    size_t       json_len;
} unit_string_t;


typedef struct {
    double   value;
    int64_t  min;
    int64_t  max;
    int      rc;
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

    { 1, 1, WH_QTY_MAX, WH_OK },
    { 0, 1, WH_QTY_MAX, WH_ECOMMAND },
    { 0, 0, WH_QTY_MAX, WH_OK },
    { -0.0, 0, WH_QTY_MAX, WH_OK },
    { -1, 0, WH_QTY_MAX, WH_ECOMMAND },
    { -1, -1, 1, WH_OK },
    { -2, -1, 1, WH_ECOMMAND },
    { 2, -1, 1, WH_ECOMMAND },
    { 0.5, 0, 1, WH_ECOMMAND },
    { 1.5, 1, 2, WH_ECOMMAND },
    { 0.99999999999999989, 0, 2, WH_ECOMMAND },
    { 4503599627370495.5, 0, WH_QTY_MAX, WH_ECOMMAND },
    { 2147483647, 0, INT32_MAX, WH_OK },
    { 2147483648, 0, INT32_MAX, WH_ECOMMAND },
    { 2147483648, 0, WH_QTY_MAX, WH_OK },
    { 9007199254740991, 0, WH_QTY_MAX, WH_OK },
    { 9007199254740992, 0, WH_QTY_MAX, WH_ECOMMAND },
    { -9007199254740991, -WH_QTY_MAX, WH_QTY_MAX, WH_OK },
    { -9007199254740992, -WH_QTY_MAX, WH_QTY_MAX, WH_ECOMMAND },
    { 1e19, 0, WH_QTY_MAX, WH_ECOMMAND },
    { 1e308, 0, WH_QTY_MAX, WH_ECOMMAND },
    { HUGE_VAL, 0, WH_QTY_MAX, WH_ECOMMAND },
    { -HUGE_VAL, -WH_QTY_MAX, WH_QTY_MAX, WH_ECOMMAND },
    { NAN, 0, WH_QTY_MAX, WH_ECOMMAND },
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
    char          src[64], *dst;
    size_t        len, n;
    cJSON        *value;
    wh_error_t    err;
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

            assert_int_equal(wh_json_parse(dst, len, &value, &err), WH_OK);
            assert_true(cJSON_IsString(value));
            assert_string_equal(value->valuestring, src);

            cJSON_Delete(value);
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
    char                   text[32];
    size_t                 i, failed;
    cJSON                 *value;
    int64_t                n;
    const unit_integer_t  *row;

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(unit_integers); i++) {
        row = &unit_integers[i];
        (void) snprintf(text, sizeof(text), "%.17g", row->value);

        value = cJSON_CreateNumber(row->value);
        assert_non_null(value);

        rc = wh_json_integer(value, row->min, row->max, &n);
        failed += unit_differ(text, strlen(text), rc, row->rc);

        if (rc == WH_OK) {
            failed += unit_differ(text, strlen(text), n,
                                  (int64_t) row->value);
        }

        cJSON_Delete(value);
    }

    assert_int_equal(failed, 0);
}


static void
test_integer_of_no_number(void **state)
{
    size_t                    i;
    cJSON                    *value;
    int64_t                   n;
    wh_error_t                err;
    static const char *const  texts[] = { "\"1\"", "true", "false", "null",
                                          "[1]", "{\"a\":1}" };

    (void) state;

    for (i = 0; i < unit_items(texts); i++) {
        assert_int_equal(wh_json_parse(texts[i], strlen(texts[i]), &value,
                                       &err), WH_OK);
        assert_int_equal(wh_json_integer(value, 0, 1, &n), WH_ECOMMAND);
        cJSON_Delete(value);
    }

    /* a field that is not there */

    assert_int_equal(wh_json_integer(NULL, 0, 1, &n), WH_ECOMMAND);
}


static void
unit_check_unique(const char *text, int expected)
{
    char        *copy;
    size_t       len;
    cJSON       *value;
    wh_error_t   err;

    len = strlen(text);
    copy = unit_copy(text, len);

    assert_int_equal(wh_json_parse(copy, len, &value, &err), WH_OK);
    assert_int_equal(unit_differ(text, len, wh_json_unique(value, &err),
                                 expected), 0);

    cJSON_Delete(value);
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


/* Values of every type at the top, and numbers as doubles. */

static void
test_parse(void **state)
{
    char        *text;
    size_t       i, len;
    cJSON       *value;
    wh_error_t   err;
    static const struct {
        const char  *text;
        double       value;
    } numbers[] = {
        { "0", 0 },
        { "-1", -1 },
        { "0.1", 0.1 },
        { "9007199254740993", 9007199254740992.0 },
        { "1e308", 1e308 },
        { "5e-324", 5e-324 },
        { "1e400", HUGE_VAL },
        { "-1e400", -HUGE_VAL },
        { "0.1000000000000000055511151231257827021181583404541015625"
          "000000000000", 0.1 },
        { "1e0000000000000000000000000000000000000000000000000000000000000001",
          10 },
    };

    (void) state;

    for (i = 0; i < unit_items(numbers); i++) {
        len = strlen(numbers[i].text);
        text = unit_copy(numbers[i].text, len);

        assert_int_equal(wh_json_parse(text, len, &value, &err), WH_OK);
        assert_true(cJSON_IsNumber(value));
        assert_true(value->valuedouble == numbers[i].value);

        cJSON_Delete(value);
        free(text);
    }

    assert_int_equal(wh_json_parse(T("nul"), &value, &err), WH_EJSON);
    assert_int_equal(wh_json_parse(T("null"), &value, &err), WH_OK);
    assert_true(cJSON_IsNull(value));
    cJSON_Delete(value);
}


/* Only a text with a number of 64 bytes or more needs a repaired copy. */

static void
test_check_repair(void **state)
{
    char        *text, *repaired;
    size_t       count, len;
    double       expected;
    wh_error_t   err;

    (void) state;

    for (count = 1; count < 200; count++) {
        text = unit_repeat("[1.", '5', count, "]", &len);
        expected = strtod(text + 1, NULL);

        assert_int_equal(wh_json_check(text, len, &repaired, &err), WH_OK);

        if (len - 2 <= 63) {
            assert_null(repaired);

        } else {
            assert_non_null(repaired);
            assert_int_equal(repaired[0], '[');
            assert_int_equal(repaired[len - 1], ']');
            assert_true(strtod(repaired + 1, NULL) == expected);
            assert_in_range(strcspn(repaired, " ") - 1, 1, 63);
        }

        free(repaired);
        free(text);
    }

    text = unit_repeat("[1.", '5', 100, "x]", &len);
    assert_int_equal(wh_json_check(text, len, &repaired, &err), WH_EJSON);
    assert_null(repaired);
    free(text);

    /* a number that is fine, and the error after it */

    text = unit_repeat("[1.", '5', 100, ",\xff]", &len);
    assert_int_equal(wh_json_check(text, len, &repaired, &err), WH_EJSON);
    assert_null(repaired);
    free(text);

    /* digits in a string are not a number */

    text = unit_repeat("\"", '5', 100, "\"", &len);
    assert_int_equal(wh_json_check(text, len, &repaired, &err), WH_OK);
    assert_null(repaired);
    free(text);
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
        cmocka_unit_test(test_integer_of_no_number),
        cmocka_unit_test(test_unique),
        cmocka_unit_test(test_unique_many),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_check_repair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
