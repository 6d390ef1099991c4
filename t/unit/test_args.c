/*
 * Query strings, and skus in addresses.
 */

#include "unit.h"

#include "wh_args.h"
#include "wh_sku.h"


typedef struct {
    const char  *args;
    size_t       len;
    const char  *skus;       /* decoded, each with a "|" behind it */
    const char  *prefix;     /* NULL: none */
    const char  *after;
    unsigned     limit;      /* 0: refused */
} unit_args_t;


static const unit_args_t  unit_queries[] = {
    { T(""), "", NULL, NULL, 1000 },
    { T("sku=a"), "a|", NULL, NULL, 1000 },
    { T("sku=a,b,c"), "a|b|c|", NULL, NULL, 1000 },
    { T("sku=a%2Cb,c"), "a,b|c|", NULL, NULL, 1000 },
    { T("sku=%41+%2B"), "A++|", NULL, NULL, 1000 },
    { T("sku=a=b"), "a=b|", NULL, NULL, 1000 },
    { T("limit=1"), "", NULL, NULL, 1 },
    { T("limit=1000"), "", NULL, NULL, 1000 },
    { T("limit=007"), "", NULL, NULL, 7 },
    { T("prefix=a%20b"), "", "a b", NULL, 1000 },
    { T("after=%C3%A9&limit=2&prefix=x"), "", "x", "\xC3\xA9", 2 },

    { T("limit=0"), "", NULL, NULL, 0 },
    { T("limit=1001"), "", NULL, NULL, 0 },
    { T("limit="), "", NULL, NULL, 0 },
    { T("limit=1 "), "", NULL, NULL, 0 },
    { T("limit=4294967297"), "", NULL, NULL, 0 },
    { T("sku"), "", NULL, NULL, 0 },
    { T("sku="), "", NULL, NULL, 0 },
    { T("sku=,"), "", NULL, NULL, 0 },
    { T("sku=a,"), "", NULL, NULL, 0 },
    { T("sku=%"), "", NULL, NULL, 0 },
    { T("sku=%4"), "", NULL, NULL, 0 },
    { T("sku=%4g"), "", NULL, NULL, 0 },
    { T("sku=%00"), "", NULL, NULL, 0 },
    { T("sku=\0"), "", NULL, NULL, 0 },
    { T("sku=%E2%82"), "", NULL, NULL, 0 },
    { T("sku=%C0%80"), "", NULL, NULL, 0 },
    { T("prefix="), "", NULL, NULL, 0 },
    { T("after=%7F"), "", NULL, NULL, 0 },
    { T("sku=a&sku=b"), "", NULL, NULL, 0 },
    { T("sku=a&after=b"), "", NULL, NULL, 0 },
    { T("&limit=1"), "", NULL, NULL, 0 },
    { T("limit=1&"), "", NULL, NULL, 0 },
    { T("limi=1"), "", NULL, NULL, 0 },
    { T("limits=1"), "", NULL, NULL, 0 },
};


/* In blocks of their exact size; returns what became of it. */

static int
unit_parse(wh_args_t *args, const char *text, size_t len, char **copy,
    char **buf, wh_error_t *err)
{
    *copy = malloc(len + 1);
    *buf = malloc(len + 1);
    assert_non_null(*copy);
    assert_non_null(*buf);

    /* the first byte shifts the rest to the block's end */
    memcpy(*copy + 1, text, len);

    return wh_args_parse(args, *copy + 1, len, *buf + 1, err);
}


static void
unit_check_text(const wh_args_text_t *text, const char *expected)
{
    if (expected == NULL) {
        assert_null(text->data);
        return;
    }

    assert_int_equal(text->len, strlen(expected));
    assert_memory_equal(text->data, expected, text->len);
}


static void
test_queries(void **state)
{
    char               *copy, *buf, skus[64];
    size_t              i, k, n;
    wh_args_t           args;
    wh_error_t          err;
    const unit_args_t  *q;

    (void) state;

    for (i = 0; i < unit_items(unit_queries); i++) {
        q = &unit_queries[i];

        if (q->limit == 0) {
            assert_int_equal(unit_parse(&args, q->args, q->len, &copy, &buf,
                                        &err), WH_ECOMMAND);
            assert_non_null(strstr(err.text, "parameter \""));

        } else {
            assert_int_equal(unit_parse(&args, q->args, q->len, &copy, &buf,
                                        &err), WH_OK);
            assert_int_equal(args.limit, q->limit);
            unit_check_text(&args.prefix, q->prefix);
            unit_check_text(&args.after, q->after);

            for (k = 0, n = 0; k < args.n; k++) {
                memcpy(skus + n, args.skus[k].data, args.skus[k].len);
                n += args.skus[k].len;
                skus[n++] = '|';
            }

            skus[n] = '\0';
            assert_string_equal(skus, q->skus);
        }

        free(copy);
        free(buf);
    }
}


/* A hundred skus, and one more. */

static void
test_many(void **state)
{
    char        text[4 + 2 * (WH_ARGS_SKUS + 1)], *copy, *buf;
    size_t      i;
    wh_args_t   args;
    wh_error_t  err;

    (void) state;

    memcpy(text, "sku=", 4);

    for (i = 0; i <= WH_ARGS_SKUS; i++) {
        text[4 + 2 * i] = 'a';
        text[5 + 2 * i] = ',';
    }

    assert_int_equal(unit_parse(&args, text, 3 + 2 * WH_ARGS_SKUS, &copy, &buf,
                                &err), WH_OK);
    assert_int_equal(args.n, WH_ARGS_SKUS);
    free(copy);
    free(buf);

    assert_int_equal(unit_parse(&args, text, 5 + 2 * WH_ARGS_SKUS, &copy, &buf,
                                &err), WH_ECOMMAND);
    free(copy);
    free(buf);
}


static void
test_utf8(void **state)
{
    size_t  i;

    static const struct {
        const char  *text;
        size_t       len;
        size_t       expected;
    } cases[] = {
        { T(""), 0 }, { T("a"), 1 }, { T("\x7f"), 1 }, { T("\x80"), 0 },
        { T("\xc1\xbf"), 0 }, { T("\xc2\x80"), 2 }, { T("\xdf\xbf"), 2 },
        { T("\xc2"), 0 }, { T("\xe0\x9f\xbf"), 0 }, { T("\xe0\xa0\x80"), 3 },
        { T("\xed\x9f\xbf"), 3 }, { T("\xed\xa0\x80"), 0 },
        { T("\xef\xbf\xbf"), 3 }, { T("\xf0\x8f\xbf\xbf"), 0 },
        { T("\xf0\x90\x80\x80"), 4 }, { T("\xf4\x8f\xbf\xbf"), 4 },
        { T("\xf4\x90\x80\x80"), 0 }, { T("\xf5\x80\x80\x80"), 0 },
        { T("\xe2\x82"), 0 }, { T("\xe2\x82""a"), 0 },
    };

    (void) state;

    for (i = 0; i < unit_items(cases); i++) {
        assert_int_equal(wh_utf8((const unsigned char *) cases[i].text,
                                 cases[i].len), cases[i].expected);
    }
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
