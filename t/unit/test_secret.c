/*
 * A secret's file: all of it but the end of its line, or a reason why not.
 */

#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "conf/secret.h"


/* What wh_secret_read() makes of a file of len bytes. */

static int
unit_secret(const char *text, size_t len, char **secret, wh_error_t *err)
{
    int   fd, rc;
    char  path[] = "/tmp/unit-secret.XXXXXX";

    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(close(fd), 0);

    rc = wh_secret_read(secret, path, err);

    if (rc != WH_OK) {
        assert_null(*secret);
        assert_non_null(strstr(err->text, path));
    }

    (void) unlink(path);

    return rc;
}


static void
unit_reads(const char *text, const char *expected)
{
    char        *secret;
    wh_error_t   err;

    assert_int_equal(unit_secret(text, strlen(text), &secret, &err), WH_OK);
    assert_string_equal(secret, expected);

    wh_secret_free(secret);
}


static void
test_lines(void **state)
{
    (void) state;

    unit_reads("a", "a");
    unit_reads("a\n", "a");
    unit_reads("a\r\n", "a");
    unit_reads(" a \n\n", " a \n");
    unit_reads("a\nb\n", "a\nb");
    unit_reads("\xff\"\\", "\xff\"\\");
}


static void
test_size(void **state)
{
    char         text[WH_SECRET_MAX + 1], *secret;
    wh_error_t   err;

    (void) state;

    memset(text, 'a', sizeof(text));

    assert_int_equal(unit_secret(text, WH_SECRET_MAX, &secret, &err), WH_OK);
    assert_int_equal(strlen(secret), WH_SECRET_MAX);
    wh_secret_free(secret);

    assert_int_equal(unit_secret(text, WH_SECRET_MAX + 1, &secret, &err),
                     WH_ERROR);
    assert_non_null(strstr(err.text, "longer than 65536 bytes"));
}


static void
test_refused(void **state)
{
    char        *secret;
    wh_error_t   err;

    (void) state;

    assert_int_equal(unit_secret("", 0, &secret, &err), WH_ERROR);
    assert_non_null(strstr(err.text, "is empty"));

    assert_int_equal(unit_secret("\r\n", 2, &secret, &err), WH_ERROR);
    assert_non_null(strstr(err.text, "is empty"));

    assert_int_equal(unit_secret("a\0b", 3, &secret, &err), WH_ERROR);
    assert_non_null(strstr(err.text, "has a NUL byte"));

    assert_int_equal(wh_secret_read(&secret, "/nonexistent", &err), WH_ERROR);
    assert_non_null(strstr(err.text, "\"/nonexistent\": No such file"));

    assert_int_equal(wh_secret_read(&secret, "/", &err), WH_ERROR);
    assert_non_null(strstr(err.text, "cannot read \"/\""));
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
