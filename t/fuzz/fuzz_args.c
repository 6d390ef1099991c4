/*
 * The bytes are a query string, of the items and of the notifications: what is
 * taken keeps within its limits, comes back the same when every byte is
 * percent-encoded, and what is refused is refused in words that can be shown.
 */

#include "fuzz.h"

#include <inttypes.h>

#include "wh_args.h"


#define FUZZ_ROOM  (WH_ARGS_SKUS * 3 * (WH_SKU_MAX + 1) + 64)


typedef int (*fuzz_parse_pt)(wh_args_t *args, const char *text, size_t len,
    char *buf, wh_error_t *err);


static char *
fuzz_put(char *p, const char *text)
{
    size_t  len;

    len = strlen(text);
    memcpy(p, text, len);

    return p + len;
}


static char *
fuzz_encode(char *p, const wh_args_text_t *text)
{
    size_t             i;
    unsigned char      ch;
    static const char  hex[] = "0123456789ABCDEF";

    for (i = 0; i < text->len; i++) {
        ch = (unsigned char) text->data[i];
        *p++ = '%';
        *p++ = hex[ch >> 4];
        *p++ = hex[ch & 15];
    }

    return p;
}


static char *
fuzz_prefix(char *p, int more, const wh_args_text_t *prefix)
{
    if (prefix->data == NULL) {
        return p;
    }

    return fuzz_encode(fuzz_put(p, more ? "&prefix=" : "prefix="), prefix);
}


/* The same question in other words; returns how many bytes. */

static size_t
fuzz_ask(char *text, const wh_args_t *args, fuzz_parse_pt parse)
{
    char    *p;
    size_t   i;

    p = text;

    for (i = 0; i < args->n; i++) {
        p = fuzz_put(p, i == 0 ? "sku=" : ",");
        p = fuzz_encode(p, &args->skus[i]);
    }

    if (args->offset != WH_ARGS_NOW) {
        p += sprintf(p, "%safter=%" PRId64, args->n > 0 ? "&" : "",
                     args->offset);
    }

    if (args->n > 0 || parse == wh_args_parse_feed) {
        return (size_t) (fuzz_prefix(p, p > text, &args->prefix) - text);
    }

    if (args->after.data != NULL) {
        p = fuzz_encode(fuzz_put(p, "after="), &args->after);
        p = fuzz_put(p, "&");
    }

    p += sprintf(p, "limit=%u", args->limit);

    return (size_t) (fuzz_prefix(p, 1, &args->prefix) - text);
}


static void
fuzz_text_same(const wh_args_text_t *a, const wh_args_text_t *b)
{
    fuzz_check((a->data == NULL) == (b->data == NULL));
    fuzz_check(a->len == b->len);
    fuzz_check(a->data == NULL || memcmp(a->data, b->data, a->len) == 0);
    fuzz_check(a->data == NULL || (a->len >= 1 && a->len <= WH_SKU_MAX));
}


static void
fuzz_again(const wh_args_t *args, fuzz_parse_pt parse)
{
    char        *text, *exact, *buf;
    size_t       i, len;
    wh_args_t    again;
    wh_error_t   err;

    text = fuzz_alloc(FUZZ_ROOM);
    len = fuzz_ask(text, args, parse);

    exact = fuzz_alloc(len);
    memcpy(exact, text, len);
    buf = fuzz_alloc(len);

    fuzz_check(parse(&again, exact, len, buf, &err) == WH_OK);
    fuzz_check(again.n == args->n);
    fuzz_check(again.offset == args->offset);
    fuzz_check(again.limit == args->limit);
    fuzz_text_same(&again.prefix, &args->prefix);
    fuzz_text_same(&again.after, &args->after);

    for (i = 0; i < args->n; i++) {
        fuzz_text_same(&again.skus[i], &args->skus[i]);
    }

    free(text);
    free(exact);
    free(buf);
}


static void
fuzz_query(const uint8_t *data, size_t len, fuzz_parse_pt parse)
{
    int          rc;
    char        *text, *buf;
    size_t       i;
    wh_args_t    args;
    wh_error_t   err;

    text = fuzz_alloc(len);
    buf = fuzz_alloc(len);
    memcpy(text, data, len);
    fuzz_error_init(&err);

    rc = parse(&args, text, len, buf, &err);

    if (rc == WH_OK) {
        fuzz_check(args.n <= WH_ARGS_SKUS);
        fuzz_check(args.limit >= 1 && args.limit <= WH_ARGS_LIMIT);
        fuzz_check(args.n == 0 || !args.page);
        fuzz_check(args.offset == WH_ARGS_NOW
                   || (parse == wh_args_parse_feed && args.offset >= -1));

        for (i = 0; i < args.n; i++) {
            fuzz_check(wh_sku_valid(args.skus[i].data, args.skus[i].len));
        }

        fuzz_again(&args, parse);

    } else {
        fuzz_check(rc == WH_ECOMMAND);
        fuzz_check(strstr(err.text, "parameter \"") != NULL);

        for (i = 0; err.text[i] != '\0'; i++) {
            fuzz_check(err.text[i] >= 0x20 && err.text[i] < 0x7F);
        }
    }

    free(text);
    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_query(data, len, wh_args_parse);
    fuzz_query(data, len, wh_args_parse_feed);

    return 0;
}
