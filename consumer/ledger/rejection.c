#include "ledger/rejection.h"

#include <openssl/evp.h>


#define WH_REJECTION_BASE64  (3 * 1024)    /* bytes in one go */


static size_t wh_rejection_kept(const wh_outcome_t *o);
static void wh_rejection_command(wh_text_t *t, const wh_outcome_t *o);
static void wh_rejection_value(wh_text_t *t, const wh_outcome_t *o);


size_t
wh_rejection_size(const wh_outcome_t *o)
{
    /* two positions with room for a few words and numbers, and 4 characters for 3 bytes */

    return WH_COMMAND_LEN + 2 * WH_SOURCE_LEN
           + (wh_rejection_kept(o) + 2) / 3 * 4;
}


void
wh_rejection_put(wh_text_t *t, const wh_outcome_t *o, const char *topic)
{
    static const char *const  outcomes[] = {
        [WH_REFUSED] = "refused",
        [WH_DUPLICATE] = "duplicate",
        [WH_MALFORMED] = "malformed",
    };

    wh_text_put(t, "{\"outcome\":\"");
    wh_text_put(t, outcomes[o->verdict]);
    wh_text_put(t, "\",\"reason\":\"");
    wh_text_put(t, o->reason);
    wh_text_put(t, "\"");

    if (o->verdict != WH_MALFORMED) {
        wh_rejection_command(t, o);
    }

    wh_text_put(t, ",\"source\":");
    wh_source_put(t, topic, o->partition, o->offset);

    if (o->verdict == WH_DUPLICATE) {
        wh_text_put(t, ",\"original\":");
        wh_source_put(t, topic, o->original.partition, o->original.offset);
    }

    if (o->verdict == WH_MALFORMED) {
        wh_rejection_value(t, o);
    }

    wh_text_put(t, "}");
}


static void
wh_rejection_command(wh_text_t *t, const wh_outcome_t *o)
{
    wh_text_put(t, ",");
    wh_command_put_fields(t, &o->command);
    wh_text_put(t, ",\"stock\":");
    wh_text_int(t, o->stock);
    wh_text_put(t, ",\"version\":");
    wh_text_int(t, o->version);
}


/* All the bytes there were, or the first of them; size says how many. */

static void
wh_rejection_value(wh_text_t *t, const wh_outcome_t *o)
{
    int            n;
    size_t         i, kept, len;
    unsigned char  piece[WH_REJECTION_BASE64 / 3 * 4 + 1];

    wh_text_put(t, ",\"size\":");
    wh_text_int(t, (int64_t) o->malformed.len);
    wh_text_put(t, ",\"value\":");

    if (o->malformed.value == NULL) {
        wh_text_put(t, "null");
        return;
    }

    wh_text_put(t, "\"");

    kept = wh_rejection_kept(o);

    for (i = 0; i < kept; i += len) {
        len = kept - i;

        if (len > WH_REJECTION_BASE64) {
            len = WH_REJECTION_BASE64;
        }

        n = EVP_EncodeBlock(piece,
                            (const unsigned char *) o->malformed.value + i,
                            (int) len);
        wh_text_add(t, (char *) piece, (size_t) n);
    }

    wh_text_put(t, "\"");
}


static size_t
wh_rejection_kept(const wh_outcome_t *o)
{
    if (o->verdict != WH_MALFORMED) {
        return 0;
    }

    return (o->malformed.len < WH_VALUE_MAX) ? o->malformed.len : WH_VALUE_MAX;
}
