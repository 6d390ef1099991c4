/*
 * The bytes are an outcome: a few of its fields, then its sku or the bytes of
 * a malformed command.  What wh_rejection_put() makes of it has to be JSON
 * with those values and no others, within wh_rejection_size().
 */

#include "fuzz.h"
#include "judge.h"

#include "ledger/rejection.h"


#define FUZZ_TOPIC  249                  /* Kafka's limit */
#define FUZZ_KEPT   (256 * 1024)         /* docs/topics.md: the first 256 KiB */


typedef struct {
    const uint8_t  *p;
    size_t          left;
    wh_outcome_t    o;
    char            topic[FUZZ_TOPIC + 1];
    char            sku[256];
    char           *value;
} fuzz_outcome_t;


static const char *const  fuzz_reasons[] = {
    "insufficient_stock", "unknown_sku", "stock_limit",
    "idempotency_key_reused", "idempotency_key_repeated", "invalid_json",
    "empty", "too_deep", "duplicate_key", "invalid_sku",
};


/* So many bytes of the input as a number. */

static uint64_t
fuzz_take(fuzz_outcome_t *f, int bytes)
{
    uint64_t  n;

    for (n = 0; bytes > 0 && f->left > 0; bytes--, f->p++, f->left--) {
        n = n << 8 | *f->p;
    }

    return n;
}


static void
fuzz_topic(fuzz_outcome_t *f)
{
    size_t        i, len;
    unsigned      first;
    static const char  allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    len = 1 + fuzz_take(f, 1) % FUZZ_TOPIC;
    first = (unsigned) fuzz_take(f, 1);

    for (i = 0; i < len; i++) {
        f->topic[i] = allowed[(first + i) % (sizeof(allowed) - 1)];
    }

    f->topic[len] = '\0';
}


/* The rest of the input as a sku, or what there is of it that may be in one. */

static void
fuzz_sku(fuzz_outcome_t *f)
{
    size_t       len, n;
    const char  *s;
    char         ascii[2];

    static const char *const  others[] = {
        "\xC2\xA0", "\xC3\xA9", "\xE2\x82\xAC", "\xED\x9F\xBF",
        "\xEF\xBF\xBF", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "\\",
    };

    len = 0;

    while (f->left > 0) {
        ascii[0] = (char) fuzz_take(f, 1);
        ascii[1] = '\0';
        s = (ascii[0] >= 0x20 && ascii[0] < 0x7F)
            ? ascii : others[(unsigned char) ascii[0] % fuzz_items(others)];
        n = strlen(s);

        if (len + n > 255) {
            break;
        }

        memcpy(f->sku + len, s, n);
        len += n;
    }

    if (len == 0) {
        f->sku[len++] = '"';
    }

    f->sku[len] = '\0';
    fuzz_check(judge_sku(f->sku, len));

    f->o.command.sku = f->sku;
    f->o.command.sku_len = len;
}


/* The rest of the input as a malformed command, repeated up to some size. */

static void
fuzz_malformed(fuzz_outcome_t *f)
{
    size_t    i, kept, size;
    uint64_t  form;

    form = fuzz_take(f, 1);
    size = f->left;

    /* of the large ones, which take time, there are few */

    if (form % 64 == 1 && f->left <= 2) {
        size = FUZZ_KEPT - 2 + form / 64;

    } else if (form % 64 == 2 && f->left <= 2) {
        size = FUZZ_KEPT + form / 64 * 1000000;
    }

    if (form % 64 != 3) {
        kept = (size < FUZZ_KEPT) ? size : FUZZ_KEPT;
        f->value = fuzz_alloc(kept);

        for (i = 0; i < kept; i++) {
            f->value[i] = (f->left > 0) ? (char) f->p[i % f->left] : 'x';
        }

    } else {
        size = 0;
    }

    f->o.malformed.value = f->value;
    f->o.malformed.len = size;
}


static void
fuzz_outcome(fuzz_outcome_t *f, const uint8_t *data, size_t len)
{
    uint64_t       form;
    wh_outcome_t  *o = &f->o;

    memset(f, 0, sizeof(fuzz_outcome_t));
    f->p = data;
    f->left = len;

    form = fuzz_take(f, 1);
    o->verdict = (wh_verdict_t) (WH_REFUSED + form % 3);
    o->reason = fuzz_reasons[form / 3 % fuzz_items(fuzz_reasons)];
    o->command.action = (form >= 128) ? WH_INCREASE : WH_DECREASE;
    o->partition = (int32_t) (fuzz_take(f, 4) & INT32_MAX);
    o->offset = (int64_t) (fuzz_take(f, 8) & INT64_MAX);

    fuzz_topic(f);

    if (o->verdict == WH_MALFORMED) {
        fuzz_malformed(f);
        return;
    }

    o->command.qty = 1 + (int64_t) (fuzz_take(f, 7) % WH_QTY_MAX);
    o->stock = (int64_t) (fuzz_take(f, 7) % (WH_QTY_MAX + UINT64_C(1)));
    o->version = (int64_t) (fuzz_take(f, 7) % (WH_QTY_MAX + UINT64_C(1)));
    o->command.expected_version = (int64_t) (fuzz_take(f, 7) % WH_QTY_MAX) - 1;
    o->command.expected_qty = -1;

    if (o->verdict == WH_DUPLICATE) {
        o->original.partition = (int32_t) (fuzz_take(f, 4) & INT32_MAX);
        o->original.offset = (int64_t) (fuzz_take(f, 8) & INT64_MAX);
    }

    fuzz_sku(f);
}


static void
fuzz_source(const judge_value_t *source, const char *topic, int32_t partition,
    int64_t offset)
{
    fuzz_check(judge_string_is(judge_member(source, "topic"), topic,
                               strlen(topic)));
    fuzz_check(judge_number_is(judge_member(source, "partition"), partition));
    fuzz_check(judge_number_is(judge_member(source, "offset"), offset));
}


/* RFC 4648 §4: text has to be the base64 of len bytes, with its padding. */

static void
fuzz_base64(const judge_value_t *v, const char *bytes, size_t len)
{
    size_t         i;
    unsigned       bits, n;
    static const char  digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    fuzz_check(v != NULL && v->type == JUDGE_STRING);
    fuzz_check(v->len == (len + 2) / 3 * 4);

    /* six bits at a time, from the left; past the end are zeros, or padding */

    for (i = 0; i < v->len; i++) {

        if (i * 6 >= len * 8) {
            fuzz_check(v->text[i] == '=');
            continue;
        }

        n = (unsigned) (i * 6 / 8);
        bits = (unsigned) (unsigned char) bytes[n] << 8;

        if (n + 1 < len) {
            bits |= (unsigned char) bytes[n + 1];
        }

        fuzz_check(v->text[i] == digits[bits >> (10 - i * 6 % 8) & 0x3F]);
    }
}


static void
fuzz_judge(const fuzz_outcome_t *f, const judge_value_t *root)
{
    size_t                n;
    const char           *outcome;
    const wh_outcome_t   *o = &f->o;
    const judge_value_t  *v, *value;

    fuzz_check(root != NULL && root->type == JUDGE_OBJECT);

    outcome = (o->verdict == WH_REFUSED) ? "refused"
              : (o->verdict == WH_DUPLICATE) ? "duplicate" : "malformed";

    fuzz_check(judge_string_is(judge_member(root, "outcome"), outcome,
                               strlen(outcome)));
    fuzz_check(judge_string_is(judge_member(root, "reason"), o->reason,
                               strlen(o->reason)));
    fuzz_source(judge_member(root, "source"), f->topic, o->partition,
                o->offset);

    for (n = 0, v = root->child; v != NULL; v = v->next) {
        n++;
    }

    if (o->verdict == WH_MALFORMED) {
        fuzz_check(n == 5);
        fuzz_check(judge_number_is(judge_member(root, "size"),
                                   (int64_t) o->malformed.len));

        value = judge_member(root, "value");

        if (o->malformed.value == NULL) {
            fuzz_check(value != NULL && value->type == JUDGE_WORD);

        } else {
            fuzz_base64(value, o->malformed.value,
                        o->malformed.len < FUZZ_KEPT ? o->malformed.len
                                                     : FUZZ_KEPT);
        }

        return;
    }

    n -= (o->command.expected_version >= 0);
    fuzz_check(n == (o->verdict == WH_DUPLICATE ? 9 : 8));
    fuzz_check(judge_string_is(judge_member(root, "action"),
                               o->command.action == WH_INCREASE ? "increase"
                                                                : "decrease",
                               8));
    fuzz_check(judge_string_is(judge_member(root, "sku"), o->command.sku,
                               o->command.sku_len));
    fuzz_check(judge_number_is(judge_member(root, "qty"), o->command.qty));
    fuzz_check(judge_number_is(judge_member(root, "stock"), o->stock));
    fuzz_check(judge_number_is(judge_member(root, "version"), o->version));
    fuzz_check((judge_member(root, "expected_version") != NULL)
               == (o->command.expected_version >= 0));

    if (o->verdict == WH_DUPLICATE) {
        fuzz_source(judge_member(root, "original"), f->topic,
                    o->original.partition, o->original.offset);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char            *text;
    size_t           size, n;
    judge_t          j;
    wh_text_t        t;
    fuzz_outcome_t   f;

    fuzz_outcome(&f, data, len);

    size = wh_rejection_size(&f.o);
    fuzz_check(size <= 360000);          /* docs/topics.md */

    text = fuzz_alloc(size);
    wh_text_init(&t, text, size);
    wh_rejection_put(&t, &f.o, f.topic);
    fuzz_check(!t.full);
    n = wh_text_len(&t);

    fuzz_judge(&f, judge_json(&j, text, n));

    judge_free(&j);
    free(text);
    free(f.value);

    return 0;
}
