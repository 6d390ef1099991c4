/*
 * Commands: what is not JSON (400), to the letter of RFC 8259, and the limits
 * of what is.  Every text is a command but for the one thing it is about.
 */

#include "unit.h"

#include <time.h>


#define COMMAND  "{\"action\":\"increase\",\"sku\":\"A\",\"qty\":1}"

/* a command with more fields, or with another string for its sku */
#define EXTRA(fields)                                                         \
    "{\"action\":\"increase\",\"sku\":\"A\",\"qty\":1," fields "}"
#define SKU(bytes)                                                            \
    "{\"action\":\"increase\",\"qty\":1,\"sku\":\"" bytes "\"}"


typedef struct {
    const char  *text;
    size_t       len;
    int          rc;
} unit_text_t;


static const unit_text_t  unit_grammar[] = {

    { T(""), WH_EJSON },
    { T(" "), WH_EJSON },
    { T(" \t\r\n"), WH_EJSON },
    { T("\0"), WH_EJSON },
    { T("x"), WH_EJSON },

    /* white space: four kinds, anywhere between tokens */
    { T(" \t\r\n" COMMAND " \t\r\n"), WH_OK },
    { T("{ \"action\"\t:\r\"increase\"\n, \"sku\" : \"A\" , \"qty\" : 1 }"),
      WH_OK },
    { T("\v" COMMAND), WH_EJSON },
    { T("\f" COMMAND), WH_EJSON },
    { T("\xc2\xa0" COMMAND), WH_EJSON },
    { T("\xe2\x80\xa8" COMMAND), WH_EJSON },

    /* a byte order mark, another encoding */
    { T("\xef\xbb\xbf" COMMAND), WH_EJSON },
    { T(" \xef\xbb\xbf" COMMAND), WH_EJSON },
    { T(COMMAND "\xef\xbb\xbf"), WH_EJSON },
    { T("{\0\"\0"), WH_EJSON },
    { T("\xfe\xff\0{\0}"), WH_EJSON },

    /* trailing bytes */
    { T(COMMAND COMMAND), WH_EJSON },
    { T(COMMAND "}"), WH_EJSON },
    { T(COMMAND ","), WH_EJSON },
    { T(COMMAND "\0"), WH_EJSON },
    { T(COMMAND " \0"), WH_EJSON },
    { T(COMMAND "//"), WH_EJSON },
    { T("/**/" COMMAND), WH_EJSON },

    /* objects and arrays */
    { T("{"), WH_EJSON },
    { T("}"), WH_EJSON },
    { T("[}"), WH_EJSON },
    { T("{]"), WH_EJSON },
    { T("{,}"), WH_EJSON },
    { T("{1:2}"), WH_EJSON },
    { T("{null:2}"), WH_EJSON },
    { T("{action:\"increase\"}"), WH_EJSON },
    { T("{'action':\"increase\"}"), WH_EJSON },
    { T("{\"action\":'increase'}"), WH_EJSON },
    { T("{\"action\"}"), WH_EJSON },
    { T("{\"action\":}"), WH_EJSON },
    { T("{\"action\" \"increase\"}"), WH_EJSON },
    { T("{\"action\"::\"increase\"}"), WH_EJSON },
    { T("{\"action\",\"increase\"}"), WH_EJSON },
    { T(EXTRA("")), WH_EJSON },
    { T(EXTRA(",\"x\":1")), WH_EJSON },
    { T(EXTRA("\"x\":1 \"y\":2")), WH_EJSON },
    { T(EXTRA("\"x\":[]")), WH_OK },
    { T(EXTRA("\"x\":[ ]")), WH_OK },
    { T(EXTRA("\"x\":{ }")), WH_OK },
    { T(EXTRA("\"x\":[[],{},[1,{\"y\":[\"z\",null]}]]")), WH_OK },
    { T(EXTRA("\"x\":[1,]")), WH_EJSON },
    { T(EXTRA("\"x\":[,1]")), WH_EJSON },
    { T(EXTRA("\"x\":[1 2]")), WH_EJSON },
    { T(EXTRA("\"x\":[1:2]")), WH_EJSON },
    { T(EXTRA("\"x\":[\"y\":2]")), WH_EJSON },
    { T(EXTRA("\"x\":[1}")), WH_EJSON },
    { T(EXTRA("\"x\":{\"y\":1,}")), WH_EJSON },

    /* literals */
    { T(EXTRA("\"x\":[true,false,null]")), WH_OK },
    { T(EXTRA("\"x\":True")), WH_EJSON },
    { T(EXTRA("\"x\":tru")), WH_EJSON },
    { T(EXTRA("\"x\":truee")), WH_EJSON },
    { T(EXTRA("\"x\":nulll")), WH_EJSON },
    { T(EXTRA("\"x\":NaN")), WH_EJSON },
    { T(EXTRA("\"x\":nan")), WH_EJSON },
    { T(EXTRA("\"x\":Infinity")), WH_EJSON },
    { T(EXTRA("\"x\":-Infinity")), WH_EJSON },
    { T(EXTRA("\"x\":inf")), WH_EJSON },
    { T(EXTRA("\"x\":undefined")), WH_EJSON },
    { T("tru"), WH_EJSON },
    { T("nul"), WH_EJSON },
    { T("true false"), WH_EJSON },

    /* numbers */
    { T(EXTRA("\"x\":[0,-0,0.0,-0.0e-0,1E5,1e+05,123.456e-7]")), WH_OK },
    { T(EXTRA("\"x\":1.")), WH_EJSON },
    { T(EXTRA("\"x\":1.e1")), WH_EJSON },
    { T(EXTRA("\"x\":.5")), WH_EJSON },
    { T(EXTRA("\"x\":-.5")), WH_EJSON },
    { T(EXTRA("\"x\":+1")), WH_EJSON },
    { T(EXTRA("\"x\":01")), WH_EJSON },
    { T(EXTRA("\"x\":-01")), WH_EJSON },
    { T(EXTRA("\"x\":00")), WH_EJSON },
    { T(EXTRA("\"x\":-")), WH_EJSON },
    { T(EXTRA("\"x\":--1")), WH_EJSON },
    { T(EXTRA("\"x\":- 1")), WH_EJSON },
    { T(EXTRA("\"x\":1e")), WH_EJSON },
    { T(EXTRA("\"x\":1e+")), WH_EJSON },
    { T(EXTRA("\"x\":1e1.5")), WH_EJSON },
    { T(EXTRA("\"x\":1e1e1")), WH_EJSON },
    { T(EXTRA("\"x\":1.2.3")), WH_EJSON },
    { T(EXTRA("\"x\":1,5")), WH_EJSON },
    { T(EXTRA("\"x\":1 5")), WH_EJSON },
    { T(EXTRA("\"x\":1_000")), WH_EJSON },
    { T(EXTRA("\"x\":0x10")), WH_EJSON },
    { T(EXTRA("\"x\":1f")), WH_EJSON },
    { T(EXTRA("\"x\":1n")), WH_EJSON },
    { T(EXTRA("\"x\":\xef\xbc\x91")), WH_EJSON },
    { T("1."), WH_EJSON },
    { T("-"), WH_EJSON },
    { T("1e"), WH_EJSON },
    { T("01"), WH_EJSON },
};


static const unit_text_t  unit_strings[] = {

    /* escapes */
    { T(SKU("\\\"\\\\\\/")), WH_OK },
    { T(EXTRA("\"x\":\"\\b\\f\\n\\r\\t\"")), WH_OK },
    { T(SKU("\\x41")), WH_EJSON },
    { T(SKU("\\'")), WH_EJSON },
    { T(SKU("\\a")), WH_EJSON },
    { T(SKU("\\v")), WH_EJSON },
    { T(SKU("\\0")), WH_EJSON },
    { T(SKU("\\U0041")), WH_EJSON },
    { T(SKU("\\u41")), WH_EJSON },
    { T(SKU("\\u004")), WH_EJSON },
    { T(SKU("\\u004g")), WH_EJSON },
    { T(SKU("\\u 041")), WH_EJSON },
    { T(SKU("\\u+041")), WH_EJSON },
    { T(SKU("\\u-041")), WH_EJSON },
    { T(SKU("\\u0x41")), WH_EJSON },
    { T(SKU("\\u{41}")), WH_EJSON },
    { T(SKU("\\")), WH_EJSON },
    { T("\"\\u00"), WH_EJSON },
    { T("\"\\"), WH_EJSON },

    /* surrogates */
    { T(SKU("\\ud83d\\ude00")), WH_OK },
    { T(SKU("\\uD800\\uDC00")), WH_OK },
    { T(SKU("\\uDBFF\\uDFFF")), WH_OK },
    { T(SKU("\\ud7ff\\ue000")), WH_OK },
    { T(SKU("\\ud83d")), WH_EJSON },
    { T(SKU("\\ude00")), WH_EJSON },
    { T(SKU("\\udfff")), WH_EJSON },
    { T(SKU("\\ud800x")), WH_EJSON },
    { T(SKU("\\ud800\\n")), WH_EJSON },
    { T(SKU("\\ud800\\u0041")), WH_EJSON },
    { T(SKU("\\ud800\\ud800")), WH_EJSON },
    { T(SKU("\\ud800\\ue000")), WH_EJSON },
    { T(SKU("\\ude00\\ud83d")), WH_EJSON },
    { T(SKU("\\ud83d\\ude00\\ude00")), WH_EJSON },
    { T(EXTRA("\"x\":[\"\\udc00\"]")), WH_EJSON },
    { T(EXTRA("\"\\udc00\":1")), WH_EJSON },
    { T("\"\\ud83d"), WH_EJSON },
    { T("\"\\ud83d\\u"), WH_EJSON },

    /* U+0000 */
    { T(SKU("a\\u0000b")), WH_EJSON },
    { T(SKU("a\0b")), WH_EJSON },
    { T(EXTRA("\"x\":\"\\u0000\"")), WH_EJSON },
    { T(EXTRA("\"x\\u0000\":1")), WH_EJSON },
    { T(EXTRA("\"x\":{\"\\u0000\":1}")), WH_EJSON },
    { T(SKU("\\\\u0000")), WH_OK },

    /* control bytes */
    { T(SKU("\x01")), WH_EJSON },
    { T(SKU("\x1f")), WH_EJSON },
    { T(SKU("a\nb")), WH_EJSON },
    { T(EXTRA("\"x\":\"\t\"")), WH_EJSON },
    { T(EXTRA("\"\t\":1")), WH_EJSON },
    { T(EXTRA("\"\x7f\xc2\x80\":\"\x7f\xc2\x9f\"")), WH_OK },

    /* UTF-8: the first and the last of each length */
    { T(SKU("\xc2\xa0\xdf\xbf")), WH_OK },
    { T(SKU("\xe0\xa0\x80\xef\xbf\xbf")), WH_OK },
    { T(SKU("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")), WH_OK },
    { T(SKU("\xed\x9f\xbf\xee\x80\x80")), WH_OK },

    /* overlong */
    { T(SKU("\xc0\x80")), WH_EJSON },
    { T(SKU("\xc0\xaf")), WH_EJSON },
    { T(SKU("\xc1\xbf")), WH_EJSON },
    { T(SKU("\xe0\x80\x80")), WH_EJSON },
    { T(SKU("\xe0\x9f\xbf")), WH_EJSON },
    { T(SKU("\xf0\x80\x80\x80")), WH_EJSON },
    { T(SKU("\xf0\x8f\xbf\xbf")), WH_EJSON },

    /* surrogates, past U+10FFFF */
    { T(SKU("\xed\xa0\x80")), WH_EJSON },
    { T(SKU("\xed\xbf\xbf")), WH_EJSON },
    { T(SKU("\xed\xa0\xbd\xed\xb8\x80")), WH_EJSON },
    { T(SKU("\xf4\x90\x80\x80")), WH_EJSON },
    { T(SKU("\xf5\x80\x80\x80")), WH_EJSON },
    { T(SKU("\xf8\x88\x80\x80\x80")), WH_EJSON },
    { T(SKU("\xfe")), WH_EJSON },
    { T(SKU("\xff")), WH_EJSON },

    /* cut short, or a continuation of nothing */
    { T(SKU("\xc3")), WH_EJSON },
    { T(SKU("\xc3" "A")), WH_EJSON },
    { T(SKU("\xe2\x82")), WH_EJSON },
    { T(SKU("\xe2\x82\xc3\xa9")), WH_EJSON },
    { T(SKU("\xf0\x9f\x98")), WH_EJSON },
    { T(SKU("\x80")), WH_EJSON },
    { T(SKU("\xc3\xa9\xa9")), WH_EJSON },
    { T("\"\xc3"), WH_EJSON },
    { T("\"\xe2\x82"), WH_EJSON },
    { T("\"\xf0\x9f\x98"), WH_EJSON },

    /* in a name, in a field nobody asked for, outside of strings */
    { T(EXTRA("\"\xff\":1")), WH_EJSON },
    { T(EXTRA("\"x\":[\"\xc0\x80\"]")), WH_EJSON },
    { T("\xff" COMMAND), WH_EJSON },
};


static const unit_text_t  unit_duplicates[] = {

    { T(EXTRA("\"qty\":1")), WH_EJSON },
    { T(EXTRA("\"sku\":\"A\"")), WH_EJSON },
    { T(EXTRA("\"action\":\"decrease\"")), WH_EJSON },
    { T(EXTRA("\"qt\\u0079\":1")), WH_EJSON },
    { T(EXTRA("\"\\u0071\\u0074\\u0079\":2")), WH_EJSON },
    { T(EXTRA("\"x\":1,\"x\":1")), WH_EJSON },
    { T(EXTRA("\"\":1,\"y\":2,\"\":3")), WH_EJSON },
    { T(EXTRA("\"/\":1,\"\\/\":2")), WH_EJSON },
    { T(EXTRA("\"\xc3\xa9\":1,\"\\u00E9\":2")), WH_EJSON },
    { T(EXTRA("\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2")), WH_EJSON },

    /* they count before the fields do */
    { T("{\"x\":1,\"x\":1}"), WH_EJSON },
    { T("{\"action\":\"fly\",\"action\":\"fly\"}"), WH_EJSON },

    /* names that only look alike: case, normalization, an escaped escape */
    { T(EXTRA("\"Qty\":1,\"QTY\":1")), WH_OK },
    { T(EXTRA("\"\xc3\xa9\":1,\"e\xcc\x81\":2")), WH_OK },
    { T(EXTRA("\"qt\\\\u0079\":1")), WH_OK },
    { T(EXTRA("\"x\":1,\"xx\":1,\"x \":1")), WH_OK },

    /* inside an extra field they are its own affair */
    { T(EXTRA("\"x\":{\"y\":1,\"y\":2}")), WH_OK },
    { T(EXTRA("\"x\":{\"qty\":1,\"qty\":2}")), WH_OK },
    { T(EXTRA("\"x\":[{\"y\":{\"z\":1,\"z\":1}}]")), WH_OK },
};


static void
unit_run_table(const unit_text_t *rows, size_t n)
{
    int           rc;
    size_t        i, failed;
    wh_error_t    err;
    wh_command_t  c;

    failed = 0;

    for (i = 0; i < n; i++) {
        rc = unit_decode(rows[i].text, rows[i].len, &c, &err);
        failed += unit_differ(rows[i].text, rows[i].len, rc, rows[i].rc);
    }

    assert_int_equal(failed, 0);
}


static void
test_grammar(void **state)
{
    (void) state;
    unit_run_table(unit_grammar, unit_items(unit_grammar));
}


static void
test_strings(void **state)
{
    (void) state;
    unit_run_table(unit_strings, unit_items(unit_strings));
}


static void
test_duplicates(void **state)
{
    (void) state;
    unit_run_table(unit_duplicates, unit_items(unit_duplicates));
}


static void
test_every_prefix(void **state)
{
    size_t                   len, failed;
    wh_error_t               err;
    wh_command_t             c;
    static const char *const  text = EXTRA("\"x\":[-1.5e+3,"
                                           "\"\\ud83d\\ude00\xe2\x82\xac\","
                                           "true,null,{\"y\":{}}]");

    (void) state;
    failed = 0;

    for (len = 0; len < strlen(text); len++) {
        failed += unit_differ(text, len, unit_decode(text, len, &c, &err),
                              WH_EJSON);
    }

    failed += unit_differ(text, len, unit_decode(text, len, &c, &err), WH_OK);

    assert_int_equal(failed, 0);
}


static void
test_every_byte(void **state)
{
    int           ch, expected;
    char          inside[] = SKU("A?C"), after[] = COMMAND "?";
    size_t        len, failed;
    wh_error_t    err;
    wh_command_t  c;

    (void) state;
    failed = 0;

    for (ch = 0; ch < 256; ch++) {

        /* a backslash escapes the C, a quote leaves it behind */

        if (ch < 0x20 || ch >= 0x80 || ch == '"' || ch == '\\') {
            expected = WH_EJSON;

        } else {
            expected = (ch == 0x7f) ? WH_ECOMMAND : WH_OK;
        }

        len = sizeof(inside) - 1;
        inside[len - 4] = (char) ch;
        failed += unit_differ(inside, len, unit_decode(inside, len, &c, &err),
                              expected);

        expected = (ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n')
                   ? WH_OK : WH_EJSON;

        len = sizeof(after) - 1;
        after[len - 1] = (char) ch;
        failed += unit_differ(after, len, unit_decode(after, len, &c, &err),
                              expected);
    }

    assert_int_equal(failed, 0);
}


/* Depth 64 is fine, 65 is not, and 100,000 are no trouble for the stack. */

static void
test_depth(void **state)
{
    char          *open, *text;
    size_t         len, depth, failed, i;
    wh_error_t     err;
    wh_command_t   c;
    static const size_t  depths[] = { 1, 63, 64, 65, 66, 1000, 1001, 100000 };

    (void) state;
    failed = 0;

    for (i = 0; i < unit_items(depths); i++) {
        depth = depths[i];

        /* the command object itself is the first */

        open = unit_repeat("{\"action\":\"increase\",\"sku\":\"A\",\"qty\":1,"
                           "\"x\":", '[', depth - 1, "0", &len);
        text = unit_repeat(open, ']', depth - 1, "}", &len);
        failed += unit_differ(text, len, unit_decode(text, len, &c, &err),
                              depth <= 64 ? WH_OK : WH_EJSON);
        free(open);
        free(text);

        open = unit_repeat("", '[', depth, "", &len);
        failed += unit_differ(open, len, unit_decode(open, len, &c, &err),
                              WH_EJSON);
        text = unit_repeat(open, ']', depth, "", &len);
        failed += unit_differ(text, len, unit_decode(text, len, &c, &err),
                              depth <= 64 ? WH_ECOMMAND : WH_EJSON);
        free(open);
        free(text);
    }

    /* what counts is what is open at one time; brackets in strings do not */

    text = unit_repeat("{\"action\":\"increase\",\"qty\":1,\"x\":[[],[],{},[]],"
                       "\"sku\":\"", '[', 200, "\"}", &len);
    failed += unit_differ(text, len, unit_decode(text, len, &c, &err), WH_OK);
    free(text);

    assert_int_equal(failed, 0);
}


/* 10,000 members, each name once or one of them twice, in a moment. */

static void
test_many_members(void **state)
{
    int            i, last, rc;
    char          *text, *p;
    clock_t        start;
    wh_error_t     err;
    wh_command_t   c;

    (void) state;

    text = malloc(10000 * 16);
    assert_non_null(text);
    start = clock();

    for (last = 9998; last <= 9999; last++) {
        p = stpcpy(text, "{\"action\":\"increase\",\"sku\":\"A\",\"qty\":1");

        for (i = 0; i < 9999; i++) {
            p += sprintf(p, ",\"k%d\":%d", i, i);
        }

        p += sprintf(p, ",\"k%d\":0}", last);

        rc = unit_decode(text, (size_t) (p - text), &c, &err);
        assert_int_equal(rc, last == 9998 ? WH_EJSON : WH_OK);
    }

    /* pairwise comparison would take 10^8 steps, the sanitizers aside */

    assert_true(clock() - start < CLOCKS_PER_SEC);

    free(text);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_many_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
