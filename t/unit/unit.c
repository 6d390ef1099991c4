#include "unit.h"


static void unit_check_error(int rc, const wh_error_t *err);


/* err->pointer before a call: one that is still there was not set */
static const char  unit_untouched[] = "untouched";


char *
unit_copy(const char *text, size_t len)
{
    char  *copy;

    copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, text, len);

    return copy;
}


char *
unit_repeat(const char *prefix, int ch, size_t count, const char *suffix,
    size_t *len)
{
    char    *text;
    size_t   before, after;

    before = strlen(prefix);
    after = strlen(suffix);
    *len = before + count + after;

    text = malloc(*len + 1);
    assert_non_null(text);

    memcpy(text, prefix, before);
    memset(text + before, ch, count);
    memcpy(text + before + count, suffix, after + 1);

    return text;
}


size_t
unit_differ(const char *text, size_t len, int64_t got, int64_t expected)
{
    size_t         i;
    unsigned char  ch;

    if (got == expected) {
        return 0;
    }

    fprintf(stderr, "# got %lld, expected %lld: ", (long long) got,
            (long long) expected);

    for (i = 0; i < len && i < 240; i++) {
        ch = (unsigned char) text[i];
        fprintf(stderr, (ch < 0x20 || ch > 0x7e) ? "<%02x>" : "%c", ch);
    }

    fprintf(stderr, "%s\n", (i < len) ? "..." : "");

    return 1;
}


int
unit_decode(const char *text, size_t len, wh_command_t *command,
    wh_error_t *err)
{
    int          rc;
    char        *copy;
    static char  texts[WH_COMMAND_TEXTS];

    copy = unit_copy(text, len);
    memset(command, 0xa5, sizeof(wh_command_t));
    memset(err, 0, sizeof(wh_error_t));
    err->pointer = unit_untouched;

    rc = wh_command_decode(copy, len, command, texts, err);

    unit_check_error(rc, err);
    free(copy);

    return rc;
}


int
unit_decode_notification(const char *text, size_t len,
    wh_notification_t *notification, wh_error_t *err)
{
    int    rc;
    char  *copy;

    copy = unit_copy(text, len);
    memset(notification, 0xa5, sizeof(wh_notification_t));
    memset(err, 0, sizeof(wh_error_t));
    err->pointer = unit_untouched;

    rc = wh_notification_decode(copy, len, notification, err);

    unit_check_error(rc, err);
    free(copy);

    return rc;
}


static void
unit_check_error(int rc, const wh_error_t *err)
{
    size_t  len;

    if (rc == WH_OK) {
        return;
    }

    assert_non_null(err->reason);
    assert_ptr_not_equal(err->pointer, unit_untouched);

    len = strnlen(err->text, sizeof(err->text));
    assert_in_range(len, 1, sizeof(err->text) - 1);

    while (len-- != 0) {
        assert_in_range((unsigned char) err->text[len], 0x20, 0x7e);
    }
}


void
unit_check_pointer(const wh_error_t *err, const char *pointer)
{
    if (pointer == NULL) {
        assert_null(err->pointer);
        return;
    }

    assert_non_null(err->pointer);
    assert_string_equal(err->pointer, pointer);
}
