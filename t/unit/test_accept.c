/*
 * The choice of a media type by Accept.
 */

#include "unit.h"

#include "wh_accept.h"


static const char *const  unit_types[] = {
    "application/json", "application/x-ndjson", "text/csv"
};


static int
unit_best(const char *text, size_t len)
{
    char         *copy;
    wh_accept_t   accept;

    /* a block of its own: a byte too many is noticed */

    copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, text, len);

    copy = realloc(copy, len > 0 ? len : 1);
    assert_non_null(copy);

    wh_accept_init(&accept, unit_types, unit_items(unit_types));
    wh_accept_field(&accept, copy, len);
    free(copy);

    return wh_accept_best(&accept);
}


static void
test_best(void **state)
{
    int     best;
    size_t  i;

    static const struct {
        const char  *text;
        size_t       len;
        int          expected;
    } cases[] = {
        { T(""), 0 }, { T(" "), 0 }, { T(","), 0 }, { T("*/*"), 0 },
        { T("*"), 0 }, { T("application/*"), 0 }, { T("text/*"), 2 },
        { T("text/csv"), 2 }, { T(" \ttext/csv\t "), 2 }, { T("Text/CSV"), 2 },
        { T("text/csv;q=1"), 2 }, { T("text/csv ; q=1.000"), 2 },
        { T("text/csv;Q=0.001"), 2 }, { T("text/csv;q=0"), -1 },
        { T("text/csv;q=0.000"), -1 }, { T("text/csv;q=.5"), 2 },
        { T("text/html"), -1 }, { T("text/html,*/*;q=0.1"), 0 },
        { T("text/csvx"), -1 }, { T("text/cs"), -1 }, { T("textx/csv"), -1 },
        { T("*/csv"), -1 },

        /* the most specific range counts, whatever its place */
        { T("application/json;q=0.1, application/*;q=1"), 1 },
        { T("*/*;q=1, text/*;q=0, application/json;q=0.2"), 1 },
        { T("text/csv, */*;q=0"), 2 }, { T("*/*, application/*;q=0"), 2 },

        /* among equals the first that is on offer */
        { T("text/csv, application/x-ndjson"), 1 },
        { T("text/csv;q=0.5, application/x-ndjson;q=0.5"), 1 },
        { T("text/csv;q=0.6, application/x-ndjson;q=0.5"), 2 },

        /* quotes hide separators */
        { T("text/html;a=\",text/csv,\""), -1 },
        { T("text/html;a=\"\\\",text/csv\", text/csv"), 2 },
        { T("text/csv;a=\";q=0\""), 2 }, { T("text/csv;a=b;q=0;c=d"), -1 },
        { T("text/csv;a=\""), 2 }, { T("text/csv;a=\"\\"), 2 },

        /* what is no range is passed over */
        { T("text"), 0 }, { T("/"), 0 }, { T("text/"), 0 }, { T("/csv"), 0 },
        { T("text/csv;q=2"), 0 }, { T("text/csv;q=1.001"), 0 },
        { T("text/csv;q=0.0001"), 0 }, { T("text/csv;q="), 0 },
        { T("text/csv;q=-1"), 0 }, { T("text/csv;q=."), 0 },
        { T("text/csv;q=0,5"), -1 }, { T("te xt/csv"), 0 },
        { T("text/csv\0"), 0 }, { T("text/c(v"), 0 }, { T("\xff/csv"), 0 },
        { T("text/csv;q=2, text/csv;q=0.1"), 2 },
        { T("text/csv/csv"), 0 },
    };

    (void) state;

    for (i = 0; i < unit_items(cases); i++) {
        best = unit_best(cases[i].text, cases[i].len);

        if (best != cases[i].expected) {
            fail_msg("\"%s\": %d, expected %d", cases[i].text, best,
                     cases[i].expected);
        }
    }
}


static void
test_fields(void **state)
{
    wh_accept_t  accept;

    (void) state;

    wh_accept_init(&accept, unit_types, unit_items(unit_types));
    assert_int_equal(wh_accept_best(&accept), 0);

    wh_accept_field(&accept, "text/html", 9);
    assert_int_equal(wh_accept_best(&accept), -1);

    wh_accept_field(&accept, "text/csv;q=0.3", 14);
    assert_int_equal(wh_accept_best(&accept), 2);

    wh_accept_field(&accept, "*/*;q=0.4", 9);
    assert_int_equal(wh_accept_best(&accept), 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_best),
        cmocka_unit_test(test_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
