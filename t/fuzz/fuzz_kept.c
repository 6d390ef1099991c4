/*
 * The bytes are the blob of a row of outcomes.  Whatever they are, what
 * wh_kept_next() gives is valid, and packed again it is the same.
 */

#include "fuzz.h"
#include "judge.h"

#include "wh_kept.h"


#define FUZZ_FIRST  41
#define FUZZ_SINCE  1000
#define FUZZ_MAX    INT64_C(9007199254740991)


static void
fuzz_text(const char *text, size_t len, size_t max)
{
    size_t  i, used;

    fuzz_check(len <= max && text[len] == '\0');

    for (i = 0; i < len; i += used) {
        fuzz_check(judge_utf8((const unsigned char *) text + i, len - i, &used)
                   > 0);
    }
}


static void
fuzz_number(int64_t n, int64_t min)
{
    fuzz_check(n >= min && n <= FUZZ_MAX);
}


static void
fuzz_valid(const wh_kept_t *k)
{
    fuzz_number(k->offset, FUZZ_FIRST);

    if (k->verdict == WH_APPLIED) {
        fuzz_check(k->reason == NULL);
        fuzz_number(k->notified, FUZZ_SINCE);

    } else {
        fuzz_check(k->reason != NULL && k->notified == -1);
        fuzz_text(k->reason, strlen(k->reason), 63);
        fuzz_check(strspn(k->reason, "abcdefghijklmnopqrstuvwxyz0123456789_")
                   == strlen(k->reason));
    }

    if (k->verdict == WH_DUPLICATE) {
        fuzz_check(k->original.partition >= 0);
        fuzz_number(k->original.offset, 0);
    }

    if (k->verdict == WH_MALFORMED) {
        return;
    }

    fuzz_check(judge_sku(k->command.sku, k->command.sku_len));
    fuzz_text(k->command.sku, k->command.sku_len, 255);
    fuzz_number(k->command.qty, 1);
    fuzz_number(k->command.expected_version, -1);
    fuzz_number(k->command.expected_qty, -1);
    fuzz_number(k->stock, 0);
    fuzz_number(k->version, 0);

    if (k->command.reference != NULL) {
        fuzz_text(k->command.reference, k->command.reference_len, 255);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int            rc;
    char          *packed;
    size_t         size;
    wh_kept_t      kept, again;
    wh_kept_row_t  row, out, back;

    /* numbers may have been written longer than need be: never shorter */

    size = len + 1 + WH_KEPT_LEN;
    packed = fuzz_alloc(size);

    rc = wh_kept_open(&row, data, len, FUZZ_FIRST, FUZZ_SINCE);

    if (rc == WH_OK) {
        wh_kept_begin(&out, packed, size, row.complete, FUZZ_FIRST,
                      FUZZ_SINCE);
    }

    while (rc == WH_OK) {
        rc = wh_kept_next(&row, &kept);

        if (rc == WH_OK) {
            fuzz_valid(&kept);
            fuzz_check(wh_kept_put(&out, &kept) == WH_OK);
        }
    }

    if (rc == WH_NONE) {
        fuzz_check(wh_kept_len(&out) <= len);

        fuzz_check(wh_kept_open(&row, data, len, FUZZ_FIRST, FUZZ_SINCE)
                   == WH_OK);
        fuzz_check(wh_kept_open(&back, packed, wh_kept_len(&out), FUZZ_FIRST,
                                FUZZ_SINCE)
                   == WH_OK);

        while (wh_kept_next(&row, &kept) == WH_OK) {
            fuzz_check(wh_kept_next(&back, &again) == WH_OK);
            fuzz_check(again.verdict == kept.verdict);
            fuzz_check(again.offset == kept.offset);
            fuzz_check(again.notified == kept.notified);
            fuzz_check(again.stock == kept.stock);
            fuzz_check(again.version == kept.version);
            fuzz_check(again.command.qty == kept.command.qty);
            fuzz_check(again.command.sku_len == kept.command.sku_len);
        }

        fuzz_check(wh_kept_next(&back, &again) == WH_NONE);
    }

    free(packed);

    return 0;
}
