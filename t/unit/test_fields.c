/*
 * Fields of a request's header, and query strings of notifications: positions,
 * Prefer, trace contexts.
 */

#include "unit.h"

#include "wh_args.h"
#include "wh_position.h"
#include "wh_prefer.h"
#include "wh_trace.h"


#define PARENT  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


typedef struct {
    const char     *text;
    int             rc;
    wh_position_t   position;
} unit_position_row_t;


typedef struct {
    const char     *text;
    int32_t         seconds;
} unit_prefer_row_t;


static const unit_position_row_t  unit_positions[] = {
    { "0:0", WH_OK, { 0, 0 } },
    { "2147483647:9223372036854775807", WH_OK, { INT32_MAX, INT64_MAX } },
    { "2147483648:0", WH_ECOMMAND, { 0, 0 } },
    { "0:9223372036854775808", WH_ECOMMAND, { 0, 0 } },
    { "0:99999999999999999999", WH_ECOMMAND, { 0, 0 } },
    { "", WH_ECOMMAND, { 0, 0 } },
    { ":", WH_ECOMMAND, { 0, 0 } },
    { "0", WH_ECOMMAND, { 0, 0 } },
    { "0:", WH_ECOMMAND, { 0, 0 } },
    { ":0", WH_ECOMMAND, { 0, 0 } },
    { "0:0:0", WH_ECOMMAND, { 0, 0 } },
    { "-1:0", WH_ECOMMAND, { 0, 0 } },
    { "+1:0", WH_ECOMMAND, { 0, 0 } },
    { "0: 0", WH_ECOMMAND, { 0, 0 } },
    { "00:0", WH_ECOMMAND, { 0, 0 } },
    { "0:01", WH_ECOMMAND, { 0, 0 } },
};


static const unit_prefer_row_t  unit_prefers[] = {
    { "wait=10", 10 },
    { "WAIT=0", 0 },
    { "wait=\"7\"", 7 },
    { "wait = 7", 7 },
    { "a, wait=7", 7 },
    { "a=b;c=d, wait=7; e", 7 },
    { "a=\"x,wait=1\", wait=2", 2 },
    { "a=\"\\\",wait=1\", wait=2", 2 },
    { "a=\"x,wait=1", -1 },
    { "a=\"\\", -1 },
    { ",,wait=3", 3 },
    { "wait=4,wait=5", 4 },
    { "wait=2147483647", INT32_MAX },
    { "wait=2147483648", INT32_MAX },
    { "wait=99999999999999999999", INT32_MAX },
    { "", -1 },
    { "wait", -1 },
    { "wait=", -1 },
    { "wait=-1", -1 },
    { "wait=1x", -1 },
    { "wait=\"1", -1 },
    { "wait=\"\"", -1 },
    { "waits=1", -1 },
    { "await=1", -1 },
    { "a;wait=1", -1 },
};


static void
test_position(void **state)
{
    char           *copy;
    size_t          i, len;
    wh_position_t   position;

    (void) state;

    for (i = 0; i < unit_items(unit_positions); i++) {
        len = strlen(unit_positions[i].text);
        copy = unit_copy(unit_positions[i].text, len);

        assert_int_equal(wh_position_parse(&position, copy, len),
                         unit_positions[i].rc);

        if (unit_positions[i].rc == WH_OK) {
            assert_int_equal(position.partition,
                             unit_positions[i].position.partition);
            assert_int_equal(position.offset,
                             unit_positions[i].position.offset);
        }

        free(copy);
    }
}


static void
test_positions(void **state)
{
    size_t          len;
    const char     *text;
    wh_position_t   position;

    (void) state;

    text = " , 0:1 ,\t2:3,,4:5\t,";
    len = strlen(text);

    assert_int_equal(wh_position_next(&position, &text, &len), WH_OK);
    assert_int_equal(position.offset, 1);
    assert_int_equal(wh_position_next(&position, &text, &len), WH_OK);
    assert_int_equal(position.offset, 3);
    assert_int_equal(wh_position_next(&position, &text, &len), WH_OK);
    assert_int_equal(position.partition, 4);
    assert_int_equal(wh_position_next(&position, &text, &len), WH_NONE);
    assert_int_equal(len, 0);

    text = "0:1 2:3";
    len = strlen(text);
    assert_int_equal(wh_position_next(&position, &text, &len), WH_ECOMMAND);
}


static void
test_prefer(void **state)
{
    char    *copy;
    size_t   i, len;

    (void) state;

    for (i = 0; i < unit_items(unit_prefers); i++) {
        len = strlen(unit_prefers[i].text);
        copy = unit_copy(unit_prefers[i].text, len);

        assert_int_equal(wh_prefer_wait(copy, len), unit_prefers[i].seconds);
        free(copy);
    }
}


static void
test_trace(void **state)
{
    size_t       i;
    char         text[512];

    static const char *const  bad[] = {
        "", "00", PARENT "-", PARENT "-x", "ff" "-0af7651916cd43dd8448eb211c80319c"
        "-b7ad6b7169203331-01",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };

    (void) state;

    assert_true(wh_trace_parent_valid(PARENT, strlen(PARENT)));

    memset(text, 'x', sizeof(text));
    memcpy(text, "01" "-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
           56);
    assert_true(wh_trace_parent_valid(text, 56));
    assert_true(wh_trace_parent_valid(text, WH_TRACE_PARENT_MAX));
    assert_false(wh_trace_parent_valid(text, WH_TRACE_PARENT_MAX + 1));
    text[60] = ' ';
    assert_false(wh_trace_parent_valid(text, 70));

    for (i = 0; i < unit_items(bad); i++) {
        assert_false(wh_trace_parent_valid(bad[i], strlen(bad[i])));
    }

    assert_true(wh_trace_state_valid("a=b,\tc=~", 8));
    assert_false(wh_trace_state_valid("", 0));
    assert_false(wh_trace_state_valid("a\x7f", 2));
    assert_false(wh_trace_state_valid("a\xc3\xa9", 3));
    assert_false(wh_trace_state_valid(text, WH_TRACE_STATE_MAX + 1));
}


static void
test_feed(void **state)
{
    char        buf[512];
    size_t      i;
    wh_args_t   args;
    wh_error_t  err;

    static const char *const  bad[] = {
        "limit=5", "after=x", "after=", "after=-2", "after=-", "after=-1x", "after=01", "after=1&after=1",
        "sku=A&prefix=B", "x", "after=9223372036854775808",
    };

    (void) state;

    assert_int_equal(wh_args_parse_feed(&args, "", 0, buf, &err), WH_OK);
    assert_int_equal(args.offset, WH_ARGS_NOW);
    assert_int_equal(args.n, 0);

    assert_int_equal(wh_args_parse_feed(&args, "after=-1", 8, buf, &err),
                     WH_OK);
    assert_int_equal(args.offset, -1);

    assert_int_equal(wh_args_parse_feed(&args, "sku=A,B%2C&after=41", 19, buf,
                                        &err), WH_OK);
    assert_int_equal(args.offset, 41);
    assert_int_equal(args.n, 2);
    assert_memory_equal(args.skus[1].data, "B,", 2);

    assert_int_equal(wh_args_parse_feed(&args, "after=0&prefix=P", 16, buf,
                                        &err), WH_OK);
    assert_int_equal(args.offset, 0);
    assert_int_equal(args.prefix.len, 1);

    for (i = 0; i < unit_items(bad); i++) {
        assert_int_equal(wh_args_parse_feed(&args, bad[i], strlen(bad[i]), buf,
                                            &err), WH_ECOMMAND);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_position),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_prefer),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_feed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
