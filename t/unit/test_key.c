/*
 * Idempotency keys: which are valid, and how an HTTP field holds them.
 */

#include "unit.h"

#include "wh_key.h"


typedef struct {
    const char  *value;
    size_t       len;
    const char  *key;      /* NULL: refused */
} unit_key_t;


static const unit_key_t  unit_fields[] = {

    /* bare */
    { T("a"), "a" },
    { T("8e03978e-40d5-43dd-bc93-6894a57f9324"),
      "8e03978e-40d5-43dd-bc93-6894a57f9324" },
    { T("!~,;=\\"), "!~,;=\\" },
    { T("a\"b"), "a\"b" },
    { T(""), NULL },
    { T(" "), NULL },
    { T("a b"), NULL },
    { T("a\tb"), NULL },
    { T("a\0b"), NULL },
    { T("a\x7f"), NULL },
    { T("caf\xc3\xa9"), NULL },

    /* quoted */
    { T("\"a\""), "a" },
    { T("\"a\\\"b\\\\c\""), "a\"b\\c" },
    { T("\"\""), NULL },
    { T("\""), NULL },
    { T("\"a"), NULL },
    { T("\"a\\"), NULL },
    { T("\"a\\\""), NULL },
    { T("\"a\\b\""), NULL },
    { T("\"a b\""), NULL },
    { T("\"a\"b"), NULL },
    { T("\"a\";p=1"), NULL },

    /* blanks around */
    { T(" \ta\t "), "a" },
    { T("\t\"a\" "), "a" },
    { T("\" a\""), NULL },
    { T("\t"), NULL },
};


static void
unit_check_key(const char *value, size_t len, const char *expected)
{
    int          rc;
    char        *copy;
    wh_key_t     key;
    wh_error_t   err;

    copy = unit_copy(value, len);
    rc = wh_key_parse(&key, copy, len, &err);
    free(copy);

    if (expected == NULL) {
        assert_int_equal(rc, WH_ECOMMAND);
        assert_string_equal(err.reason, "invalid_idempotency_key");
        return;
    }

    assert_int_equal(rc, WH_OK);
    assert_string_equal(key.text, expected);
    assert_int_equal(key.len, strlen(expected));
}


static void
test_fields(void **state)
{
    size_t  i;

    (void) state;

    for (i = 0; i < unit_items(unit_fields); i++) {
        unit_check_key(unit_fields[i].value, unit_fields[i].len,
                       unit_fields[i].key);
    }
}


static void
test_lengths(void **state)
{
    char    *text, *quoted;
    size_t   len;

    (void) state;

    text = unit_repeat("", 'k', WH_KEY_MAX, "", &len);
    unit_check_key(text, len, text);

    quoted = unit_repeat("\"", 'k', WH_KEY_MAX, "\"", &len);
    unit_check_key(quoted, len, text);
    free(quoted);
    free(text);

    text = unit_repeat("", 'k', WH_KEY_MAX + 1, "", &len);
    unit_check_key(text, len, NULL);
    free(text);

    text = unit_repeat("\"", 'k', WH_KEY_MAX + 1, "\"", &len);
    unit_check_key(text, len, NULL);
    free(text);
}


/* In Kafka a key is its characters, quotes are two of them. */

static void
test_set(void **state)
{
    wh_key_t  key;

    (void) state;

    assert_int_equal(wh_key_set(&key, "\"a\"", 3, NULL), WH_OK);
    assert_string_equal(key.text, "\"a\"");
    assert_int_equal(wh_key_set(&key, "", 0, NULL), WH_ECOMMAND);
    assert_int_equal(wh_key_set(&key, "a b", 3, NULL), WH_ECOMMAND);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
