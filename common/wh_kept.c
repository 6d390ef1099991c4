#include "wh_kept.h"

#include <string.h>


/* of a row */
#define WH_KEPT_COMPLETE    0x01

/* of an outcome: its verdict in the lowest two bits, and of its command */
#define WH_KEPT_VERDICT     0x03
#define WH_KEPT_DECREASE    0x04
#define WH_KEPT_VERSION     0x08
#define WH_KEPT_QTY         0x10
#define WH_KEPT_REFERENCE   0x20
#define WH_KEPT_KNOWN       0x3F

#define WH_KEPT_NUMBER      9       /* bytes of 2^63-1 */


static void wh_kept_put_number(wh_text_t *t, int64_t n);
static void wh_kept_put_text(wh_text_t *t, const char *text, size_t len);
static void wh_kept_put_command(wh_text_t *t, const wh_command_t *c);
static int wh_kept_flags(const wh_kept_t *kept);
static int wh_kept_number(wh_kept_row_t *row, int64_t max, int64_t *n);
static int wh_kept_text(wh_kept_row_t *row, size_t max, const char **text,
    size_t *len);
static int wh_kept_body(wh_kept_row_t *row, int flags, wh_kept_t *kept);
static int wh_kept_command(wh_kept_row_t *row, int flags, wh_command_t *c);
static int wh_kept_reference(const char *text, size_t len);
static int wh_kept_reason(wh_kept_row_t *row, const char **reason);


void
wh_kept_begin(wh_kept_row_t *row, char *buf, size_t size, int complete,
    int64_t first, int64_t since)
{
    char  flags;

    flags = complete ? WH_KEPT_COMPLETE : 0;

    wh_text_init(&row->text, buf, size);
    wh_text_add(&row->text, &flags, 1);

    row->offset = first;
    row->notified = since;
}


size_t
wh_kept_len(const wh_kept_row_t *row)
{
    return wh_text_len(&row->text);
}


int
wh_kept_put(wh_kept_row_t *row, const wh_kept_t *k)
{
    char        flags;
    wh_text_t  *t;

    t = &row->text;

    if ((size_t) (t->end - t->pos) < WH_KEPT_LEN) {
        return WH_NONE;
    }

    flags = (char) wh_kept_flags(k);

    wh_text_add(t, &flags, 1);
    wh_kept_put_number(t, k->offset - row->offset);
    row->offset = k->offset + 1;

    if (k->verdict != WH_MALFORMED) {
        wh_kept_put_command(t, &k->command);
        wh_kept_put_number(t, k->stock);
        wh_kept_put_number(t, k->version);
    }

    switch (k->verdict) {

    case WH_APPLIED:
        wh_kept_put_number(t, k->notified - row->notified);
        row->notified = k->notified + 1;
        break;

    case WH_DUPLICATE:
        wh_kept_put_number(t, k->original.partition);
        wh_kept_put_number(t, k->original.offset);
        break;

    default:
        wh_kept_put_text(t, k->reason, strlen(k->reason));
        break;
    }

    return WH_OK;
}


static int
wh_kept_flags(const wh_kept_t *k)
{
    int  flags;

    flags = (int) k->verdict;

    if (k->verdict == WH_MALFORMED) {
        return flags;
    }

    if (k->command.action == WH_DECREASE) {
        flags |= WH_KEPT_DECREASE;
    }

    if (k->command.expected_version >= 0) {
        flags |= WH_KEPT_VERSION;
    }

    if (k->command.expected_qty >= 0) {
        flags |= WH_KEPT_QTY;
    }

    if (k->command.reference != NULL) {
        flags |= WH_KEPT_REFERENCE;
    }

    return flags;
}


static void
wh_kept_put_command(wh_text_t *t, const wh_command_t *c)
{
    wh_kept_put_text(t, c->sku, c->sku_len);
    wh_kept_put_number(t, c->qty);

    if (c->expected_version >= 0) {
        wh_kept_put_number(t, c->expected_version);
    }

    if (c->expected_qty >= 0) {
        wh_kept_put_number(t, c->expected_qty);
    }

    if (c->reference != NULL) {
        wh_kept_put_text(t, c->reference, c->reference_len);
    }
}


static void
wh_kept_put_number(wh_text_t *t, int64_t n)
{
    char      bytes[WH_KEPT_NUMBER + 1];
    size_t    len;
    uint64_t  rest;

    rest = (uint64_t) n;

    for (len = 0; rest > 0x7F; rest >>= 7) {
        bytes[len++] = (char) (0x80 | (rest & 0x7F));
    }

    bytes[len++] = (char) rest;

    wh_text_add(t, bytes, len);
}


static void
wh_kept_put_text(wh_text_t *t, const char *text, size_t len)
{
    wh_kept_put_number(t, (int64_t) len);
    wh_text_add(t, text, len);
    wh_text_add(t, "", 1);
}


int
wh_kept_open(wh_kept_row_t *row, const void *data, size_t len, int64_t first,
    int64_t since)
{
    row->pos = data;
    row->end = row->pos + len;

    if (len == 0 || (*row->pos & ~WH_KEPT_COMPLETE) != 0
        || first < 0 || since < 0)
    {
        return WH_ERROR;
    }

    row->complete = *row->pos++ & WH_KEPT_COMPLETE;
    row->offset = first;
    row->notified = since;

    return WH_OK;
}


int
wh_kept_next(wh_kept_row_t *row, wh_kept_t *k)
{
    int      flags;
    int64_t  n;

    if (row->pos == row->end) {
        return WH_NONE;
    }

    flags = *row->pos++;

    if ((flags & ~WH_KEPT_KNOWN) != 0
        || wh_kept_number(row, WH_QTY_MAX - row->offset, &n) != WH_OK)
    {
        return WH_ERROR;
    }

    memset(k, 0, sizeof(wh_kept_t));

    k->verdict = (wh_verdict_t) (flags & WH_KEPT_VERDICT);
    k->offset = row->offset + n;
    k->notified = -1;
    row->offset = k->offset + 1;

    return wh_kept_body(row, flags, k);
}


static int
wh_kept_body(wh_kept_row_t *row, int flags, wh_kept_t *k)
{
    int64_t  n;

    if (k->verdict != WH_MALFORMED
        && (wh_kept_command(row, flags, &k->command) != WH_OK
            || wh_kept_number(row, WH_QTY_MAX, &k->stock) != WH_OK
            || wh_kept_number(row, WH_QTY_MAX, &k->version) != WH_OK))
    {
        return WH_ERROR;
    }

    switch (k->verdict) {

    case WH_APPLIED:

        if (wh_kept_number(row, WH_QTY_MAX - row->notified, &n) != WH_OK) {
            return WH_ERROR;
        }

        k->notified = row->notified + n;
        row->notified = k->notified + 1;
        return WH_OK;

    case WH_DUPLICATE:

        if (wh_kept_number(row, INT32_MAX, &n) != WH_OK
            || wh_kept_number(row, WH_QTY_MAX, &k->original.offset) != WH_OK)
        {
            return WH_ERROR;
        }

        k->original.partition = (int32_t) n;
        k->reason = WH_KEPT_REPEATED;
        return WH_OK;

    default:
        return wh_kept_reason(row, &k->reason);
    }
}


static int
wh_kept_command(wh_kept_row_t *row, int flags, wh_command_t *c)
{
    c->action = (flags & WH_KEPT_DECREASE) ? WH_DECREASE : WH_INCREASE;
    c->expected_version = -1;
    c->expected_qty = -1;

    if (wh_kept_text(row, WH_SKU_MAX, &c->sku, &c->sku_len) != WH_OK
        || !wh_sku_valid(c->sku, c->sku_len)
        || wh_kept_number(row, WH_QTY_MAX, &c->qty) != WH_OK || c->qty == 0)
    {
        return WH_ERROR;
    }

    if ((flags & WH_KEPT_VERSION)
        && wh_kept_number(row, WH_QTY_MAX, &c->expected_version) != WH_OK)
    {
        return WH_ERROR;
    }

    if ((flags & WH_KEPT_QTY)
        && wh_kept_number(row, WH_QTY_MAX, &c->expected_qty) != WH_OK)
    {
        return WH_ERROR;
    }

    if (flags & WH_KEPT_REFERENCE) {

        if (wh_kept_text(row, WH_REFERENCE_MAX, &c->reference,
                         &c->reference_len)
            != WH_OK)
        {
            return WH_ERROR;
        }

        return wh_kept_reference(c->reference, c->reference_len);
    }

    return WH_OK;
}


/* UTF-8 without U+0000. */

static int
wh_kept_reference(const char *text, size_t len)
{
    size_t  i, n;

    for (i = 0; i < len; i += n) {
        n = wh_utf8((const unsigned char *) text + i, len - i);

        if (n == 0 || text[i] == '\0') {
            return WH_ERROR;
        }
    }

    return WH_OK;
}


/* A word: it goes to JSON as it is. */

static int
wh_kept_reason(wh_kept_row_t *row, const char **reason)
{
    size_t  i, len;

    if (wh_kept_text(row, WH_KEPT_REASON_MAX, reason, &len) != WH_OK
        || len == 0)
    {
        return WH_ERROR;
    }

    for (i = 0; i < len; i++) {
        if (!((*reason)[i] >= 'a' && (*reason)[i] <= 'z')
            && !((*reason)[i] >= '0' && (*reason)[i] <= '9')
            && (*reason)[i] != '_')
        {
            return WH_ERROR;
        }
    }

    return WH_OK;
}


static int
wh_kept_number(wh_kept_row_t *row, int64_t max, int64_t *n)
{
    int       shift;
    uint64_t  value;

    value = 0;

    for (shift = 0; shift < 7 * WH_KEPT_NUMBER && row->pos < row->end;
         shift += 7)
    {
        value |= (uint64_t) (*row->pos & 0x7F) << shift;

        if (*row->pos++ < 0x80) {
            *n = (int64_t) value;
            return (*n <= max) ? WH_OK : WH_ERROR;
        }
    }

    return WH_ERROR;
}


static int
wh_kept_text(wh_kept_row_t *row, size_t max, const char **text, size_t *len)
{
    int64_t  n;

    if (wh_kept_number(row, (int64_t) max, &n) != WH_OK
        || row->end - row->pos <= n || row->pos[n] != '\0')
    {
        return WH_ERROR;
    }

    *text = (const char *) row->pos;
    *len = (size_t) n;
    row->pos += n + 1;

    return WH_OK;
}
