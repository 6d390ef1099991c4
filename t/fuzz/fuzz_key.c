/*
 * The bytes are the value of an Idempotency-Key field, and those of a header
 * in Kafka: wh_key_parse() and wh_key_set() have to come to the verdict of
 * the grammar in wh_key.h, and what is written in either form has to be read
 * as the same key.
 */

#include "fuzz.h"

#include "wh_key.h"


#define FUZZ_KEY_MAX  255


typedef enum {
    FUZZ_START,
    FUZZ_BARE,
    FUZZ_QUOTED,
    FUZZ_ESCAPE,
    FUZZ_CLOSED,
    FUZZ_BAD
} fuzz_state_t;


/* The key in a field, to key; its length, 0: there is none. */

static size_t
fuzz_field(const uint8_t *data, size_t len, char *key)
{
    int           ch;
    size_t        i, n, end;
    fuzz_state_t  state;

    for (end = len; end > 0; end--) {
        if (data[end - 1] != 0x20 && data[end - 1] != 0x09) {
            break;
        }
    }

    n = 0;
    state = FUZZ_START;

    for (i = 0; i < end && state != FUZZ_BAD; i++) {
        ch = data[i];

        if (state == FUZZ_START && (ch == 0x20 || ch == 0x09)) {
            continue;
        }

        if (state == FUZZ_START) {
            state = (ch == 0x22) ? FUZZ_QUOTED : FUZZ_BARE;

            if (state == FUZZ_QUOTED) {
                continue;
            }

        } else if (state == FUZZ_QUOTED && ch == 0x22) {
            state = FUZZ_CLOSED;
            continue;

        } else if (state == FUZZ_QUOTED && ch == 0x5C) {
            state = FUZZ_ESCAPE;
            continue;

        } else if (state == FUZZ_ESCAPE && (ch == 0x22 || ch == 0x5C)) {
            state = FUZZ_QUOTED;

        } else if (state == FUZZ_ESCAPE || state == FUZZ_CLOSED) {
            state = FUZZ_BAD;
            continue;
        }

        if (ch < 0x21 || ch > 0x7E || n == FUZZ_KEY_MAX) {
            state = FUZZ_BAD;
            continue;
        }

        key[n++] = (char) ch;
    }

    return (state == FUZZ_BARE || state == FUZZ_CLOSED) ? n : 0;
}


static void
fuzz_verdict(int rc, const wh_key_t *key, const wh_error_t *err,
    const char *expected, size_t len)
{
    if (len == 0) {
        fuzz_check(rc == WH_ECOMMAND);
        fuzz_error_check(err, NULL);
        return;
    }

    fuzz_check(rc == WH_OK);
    fuzz_check(key->len == len);
    fuzz_check(memcmp(key->text, expected, len) == 0);
    fuzz_check(key->text[len] == '\0');
}


/* Reads a key of len characters as a field in quotes, and as it is. */

static void
fuzz_round_trip(const char *key, size_t len)
{
    char        *field;
    size_t       i, n;
    wh_key_t     again;

    field = fuzz_alloc(2 * len + 2);
    n = 0;
    field[n++] = '"';

    for (i = 0; i < len; i++) {
        if (key[i] == '"' || key[i] == '\\') {
            field[n++] = '\\';
        }

        field[n++] = key[i];
    }

    field[n++] = '"';

    fuzz_verdict(wh_key_parse(&again, field, n, NULL), &again, NULL, key, len);
    fuzz_verdict(wh_key_set(&again, key, len, NULL), &again, NULL, key, len);

    if (key[0] != '"') {
        fuzz_verdict(wh_key_parse(&again, key, len, NULL), &again, NULL, key,
                     len);
    }

    free(field);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int          rc;
    char         key[FUZZ_KEY_MAX];
    size_t       i, n;
    wh_key_t    *read;
    wh_error_t   err;

    read = (wh_key_t *) fuzz_alloc(sizeof(wh_key_t));

    fuzz_error_init(&err);
    rc = wh_key_parse(read, (const char *) data, len, &err);

    n = fuzz_field(data, len, key);
    fuzz_verdict(rc, read, &err, key, n);

    if (n > 0) {
        fuzz_round_trip(key, n);
    }

    /* in Kafka the characters are the key, whatever they are */

    fuzz_error_init(&err);
    rc = wh_key_set(read, (const char *) data, len, &err);

    for (i = 0, n = len; i < len; i++) {
        if (data[i] < 0x21 || data[i] > 0x7E) {
            n = 0;
        }
    }

    fuzz_verdict(rc, read, &err, (const char *) data,
                 n <= FUZZ_KEY_MAX ? n : 0);

    free(read);

    return 0;
}
