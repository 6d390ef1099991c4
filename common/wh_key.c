#include "wh_key.h"

#include <string.h>


static int wh_key_bad(wh_error_t *err);


int
wh_key_set(wh_key_t *key, const char *text, size_t len, wh_error_t *err)
{
    size_t  i;

    if (len < 1 || len > WH_KEY_MAX) {
        return wh_key_bad(err);
    }

    for (i = 0; i < len; i++) {
        if (text[i] < 0x21 || text[i] > 0x7E) {
            return wh_key_bad(err);
        }
    }

    memcpy(key->text, text, len);
    key->text[len] = '\0';
    key->len = len;

    return WH_OK;
}


int
wh_key_parse(wh_key_t *key, const char *value, size_t len, wh_error_t *err)
{
    char    text[WH_KEY_MAX];
    size_t  i, n;

    /* nginx leaves tabs around a value */

    while (len > 0 && (value[0] == ' ' || value[0] == '\t')) {
        value++;
        len--;
    }

    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t')) {
        len--;
    }

    if (len == 0 || value[0] != '"') {
        return wh_key_set(key, value, len, err);
    }

    n = 0;

    for (i = 1; i < len && value[i] != '"'; i++) {

        if (value[i] == '\\') {
            i++;

            if (i == len || (value[i] != '"' && value[i] != '\\')) {
                return wh_key_bad(err);
            }
        }

        if (n == WH_KEY_MAX) {
            return wh_key_bad(err);
        }

        text[n++] = value[i];
    }

    /* the closing quote, and nothing behind it */

    if (i + 1 != len) {
        return wh_key_bad(err);
    }

    return wh_key_set(key, text, n, err);
}


static int
wh_key_bad(wh_error_t *err)
{
    (void) wh_error_set(err, WH_ECOMMAND, "an idempotency key has 1 to 255 "
                        "visible ASCII characters");

    if (err != NULL) {
        err->reason = "invalid_idempotency_key";
    }

    return WH_ECOMMAND;
}
