#include "ledger/rejection.h"
#include "wh_json.h"

#include <openssl/evp.h>


static size_t wh_rejection_kept(const wh_outcome_t *o);
static char *wh_rejection_command(char *p, const wh_outcome_t *o);
static char *wh_rejection_value(char *p, const wh_outcome_t *o);


size_t
wh_rejection_size(const wh_outcome_t *o)
{
    /* two sources, a few words, and 4 characters for 3 bytes */

    return WH_COMMAND_LEN + 2 * 512 + (wh_rejection_kept(o) + 2) / 3 * 4 + 1;
}


size_t
wh_rejection_write(char *dst, const wh_outcome_t *o, const char *topic)
{
    char  *p;

    static const char  *outcomes[] = {
        [WH_REFUSED] = "refused",
        [WH_DUPLICATE] = "duplicate",
        [WH_MALFORMED] = "malformed",
    };

    p = wh_put(dst, "{\"outcome\":\"");
    p = wh_put(p, outcomes[o->verdict]);
    p = wh_put(p, "\",\"reason\":\"");
    p = wh_put(p, o->reason);
    p = wh_put(p, "\"");

    if (o->verdict != WH_MALFORMED) {
        p = wh_rejection_command(p, o);
    }

    p = wh_put(p, ",\"source\":");
    p = wh_put_source(p, topic, o->partition, o->offset);

    if (o->verdict == WH_DUPLICATE) {
        p = wh_put(p, ",\"original\":");
        p = wh_put_source(p, topic, o->original.partition, o->original.offset);
    }

    if (o->verdict == WH_MALFORMED) {
        p = wh_rejection_value(p, o);
    }

    *p++ = '}';

    return (size_t) (p - dst);
}


static char *
wh_rejection_command(char *p, const wh_outcome_t *o)
{
    p = wh_put(p, ",");
    p = wh_put_fields(p, &o->command);
    p = wh_put(p, ",\"stock\":");
    p += wh_json_int(p, o->stock);

    return p;
}


/* All the bytes there were, or the first of them; size says how many. */

static char *
wh_rejection_value(char *p, const wh_outcome_t *o)
{
    p = wh_put(p, ",\"size\":");
    p += wh_json_int(p, (int64_t) o->malformed.len);
    p = wh_put(p, ",\"value\":");

    if (o->malformed.value == NULL) {
        return wh_put(p, "null");
    }

    *p++ = '"';
    p += EVP_EncodeBlock((unsigned char *) p,
                         (unsigned char *) o->malformed.value,
                         (int) wh_rejection_kept(o));
    *p++ = '"';

    return p;
}


static size_t
wh_rejection_kept(const wh_outcome_t *o)
{
    if (o->verdict != WH_MALFORMED) {
        return 0;
    }

    return (o->malformed.len < WH_VALUE_MAX) ? o->malformed.len : WH_VALUE_MAX;
}
