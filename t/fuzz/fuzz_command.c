/*
 * The bytes are a command: wh_command_decode() has to come to the judge's
 * verdict and values, and what is written has to decode to the same.
 */

#include "fuzz.h"
#include "judge.h"

#include "wh_command.h"
#include "wh_json.h"


static void
fuzz_same(const wh_command_t *c, const judge_command_t *expected)
{
    fuzz_check(c->action == (strcmp(expected->action, "increase") == 0
                             ? WH_INCREASE : WH_DECREASE));
    fuzz_check(c->sku_len == expected->sku_len);
    fuzz_check(memcmp(c->sku, expected->sku, c->sku_len) == 0);
    fuzz_check(c->sku[c->sku_len] == '\0');
    fuzz_check(c->qty == expected->qty);
    fuzz_check(c->expected_version == expected->expected_version);
    fuzz_check(c->expected_qty == expected->expected_qty);
    fuzz_check((c->reference == NULL) == (expected->reference == NULL));
    fuzz_check(c->reference_len == expected->reference_len);

    if (c->reference != NULL) {
        fuzz_check(memcmp(c->reference, expected->reference,
                          c->reference_len) == 0);
        fuzz_check(c->reference[c->reference_len] == '\0');
    }
}


static void
fuzz_round_trip(const wh_command_t *c, const judge_command_t *expected)
{
    char             *text, *exact, *texts;
    size_t            len;
    judge_t           j;
    wh_text_t         t;
    wh_error_t        err;
    wh_command_t      again;
    judge_command_t   judged;

    text = fuzz_alloc(WH_COMMAND_LEN);
    texts = fuzz_alloc(WH_COMMAND_TEXTS);

    wh_text_init(&t, text, WH_COMMAND_LEN);
    wh_command_put(&t, c);
    fuzz_check(!t.full);
    len = wh_text_len(&t);

    exact = fuzz_alloc(len);
    memcpy(exact, text, len);

    fuzz_check(judge_command(judge_json(&j, exact, len), &judged) == JUDGE_OK);
    fuzz_same(c, &judged);

    fuzz_check(wh_command_decode(exact, len, &again, texts, &err) == WH_OK);
    fuzz_same(&again, expected);

    /* measured and written are one */

    fuzz_check(wh_json_string(NULL, c->sku, c->sku_len)
               == wh_json_string(text, c->sku, c->sku_len));

    judge_free(&j);
    free(exact);
    free(text);
    free(texts);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int               rc;
    char             *texts;
    judge_t           j;
    wh_error_t        err;
    wh_command_t      c;
    judge_command_t   expected;

    texts = fuzz_alloc(WH_COMMAND_TEXTS);
    fuzz_error_init(&err);

    rc = wh_command_decode((const char *) data, len, &c, texts, &err);

    switch (judge_command(judge_json(&j, (const char *) data, len),
                          &expected))
    {

    case JUDGE_OK:
        fuzz_check(rc == WH_OK);
        fuzz_check(c.sku == texts);
        fuzz_same(&c, &expected);
        fuzz_round_trip(&c, &expected);
        break;

    case JUDGE_NOT_JSON:
        fuzz_check(rc == WH_EJSON);
        fuzz_error_check(&err, NULL);
        break;

    case JUDGE_NOT_COMMAND:
        fuzz_check(rc == WH_ECOMMAND);
        fuzz_error_check(&err, expected.pointer);
        break;
    }

    /* who does not ask why gets the same answer */

    fuzz_check(wh_command_decode((const char *) data, len, &c, texts, NULL)
               == rc);

    judge_free(&j);
    free(texts);

    return 0;
}
