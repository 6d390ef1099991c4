#include "wh_accept.h"

#include <string.h>
#include <strings.h>


/* How much a media range says of the type. */

#define WH_ACCEPT_ANY      1    /* all types */
#define WH_ACCEPT_SUBTYPE  2    /* any subtype of this type */
#define WH_ACCEPT_EXACT    3


typedef struct {
    const char  *p;
    const char  *end;
} wh_accept_text_t;


static void wh_accept_element(wh_accept_t *a, wh_accept_text_t element);
static wh_accept_text_t wh_accept_part(wh_accept_text_t *text, char separator);
static void wh_accept_trim(wh_accept_text_t *text);
static int wh_accept_range(const wh_accept_text_t *range);
static int wh_accept_token(const char *p, const char *end);
static int wh_accept_weight(wh_accept_text_t parameters);
static int wh_accept_thousandths(const wh_accept_text_t *value);
static int wh_accept_specific(const wh_accept_text_t *range, const char *type);


void
wh_accept_init(wh_accept_t *a, const char *const *types, size_t n)
{
    memset(a, 0, sizeof(wh_accept_t));

    a->types = types;
    a->n = n;
}


void
wh_accept_field(wh_accept_t *a, const char *text, size_t len)
{
    wh_accept_text_t  field;

    field.p = text;
    field.end = text + len;

    while (field.p < field.end) {
        wh_accept_element(a, wh_accept_part(&field, ','));
    }
}


/* A media range and its parameters. */

static void
wh_accept_element(wh_accept_t *a, wh_accept_text_t element)
{
    int               q, specific;
    size_t            i;
    wh_accept_text_t  range;

    range = wh_accept_part(&element, ';');
    wh_accept_trim(&range);

    q = wh_accept_weight(element);

    if (q < 0 || !wh_accept_range(&range)) {
        return;
    }

    a->some = 1;

    for (i = 0; i < a->n; i++) {
        specific = wh_accept_specific(&range, a->types[i]);

        if (specific > a->specific[i]
            || (specific > 0 && specific == a->specific[i] && q > a->q[i]))
        {
            a->specific[i] = specific;
            a->q[i] = q;
        }
    }
}


/* Takes what is before the next separator that is not in quotes. */

static wh_accept_text_t
wh_accept_part(wh_accept_text_t *text, char separator)
{
    int               quoted;
    const char       *p;
    wh_accept_text_t  part;

    quoted = 0;

    for (p = text->p; p < text->end; p++) {

        if (quoted && *p == '\\' && p + 1 < text->end) {
            p++;

        } else if (*p == '"') {
            quoted = !quoted;

        } else if (*p == separator && !quoted) {
            break;
        }
    }

    part.p = text->p;
    part.end = p;

    text->p = (p < text->end) ? p + 1 : p;

    return part;
}


static void
wh_accept_trim(wh_accept_text_t *text)
{
    while (text->p < text->end && (*text->p == ' ' || *text->p == '\t')) {
        text->p++;
    }

    while (text->p < text->end
           && (text->end[-1] == ' ' || text->end[-1] == '\t'))
    {
        text->end--;
    }
}


/* Whether it is type/subtype, or "*". */

static int
wh_accept_range(const wh_accept_text_t *range)
{
    size_t       len;
    const char  *slash;

    len = (size_t) (range->end - range->p);

    if (len == 1 && *range->p == '*') {
        return 1;
    }

    slash = (len > 0) ? memchr(range->p, '/', len) : NULL;

    return slash != NULL && wh_accept_token(range->p, slash)
           && wh_accept_token(slash + 1, range->end);
}


/* RFC 9110 §5.6.2 */

static int
wh_accept_token(const char *p, const char *end)
{
    if (p == end) {
        return 0;
    }

    for ( /* void */ ; p < end; p++) {
        if (*p <= 0x20 || *p >= 0x7F
            || strchr("\"(),/:;<=>?@[\\]{}", *p) != NULL)
        {
            return 0;
        }
    }

    return 1;
}


/* The q among the parameters, in thousandths, 1000 without one; -1: bad. */

static int
wh_accept_weight(wh_accept_text_t parameters)
{
    wh_accept_text_t  value;

    while (parameters.p < parameters.end) {

        value = wh_accept_part(&parameters, ';');
        wh_accept_trim(&value);

        if (value.end - value.p >= 2 && (*value.p | 0x20) == 'q'
            && value.p[1] == '=')
        {
            value.p += 2;
            return wh_accept_thousandths(&value);
        }
    }

    return 1000;
}


/* RFC 9110 §12.4.2: 0 or 1, a point, up to three digits. */

static int
wh_accept_thousandths(const wh_accept_text_t *value)
{
    int          q, unit;
    const char  *p;

    q = 0;
    p = value->p;

    if (p < value->end && (*p == '0' || *p == '1')) {
        q = (*p++ - '0') * 1000;

    } else if (value->end - p < 2 || *p != '.') {
        return -1;
    }

    if (p < value->end && *p++ != '.') {
        return -1;
    }

    for (unit = 100; p < value->end; p++, unit /= 10) {

        if (*p < '0' || *p > '9' || unit == 0) {
            return -1;
        }

        q += (*p - '0') * unit;
    }

    return (q <= 1000) ? q : -1;
}


/* 0: the range is not for the type. */

static int
wh_accept_specific(const wh_accept_text_t *range, const char *type)
{
    size_t  len, slash;

    len = (size_t) (range->end - range->p);

    if (*range->p == '*') {
        return (len == 1 || (len == 3 && range->p[2] == '*')) ? WH_ACCEPT_ANY
                                                              : 0;
    }

    slash = strcspn(type, "/");

    if (len == slash + 2 && range->end[-1] == '*'
        && strncasecmp(range->p, type, slash + 1) == 0)
    {
        return WH_ACCEPT_SUBTYPE;
    }

    return (len == strlen(type) && strncasecmp(range->p, type, len) == 0)
           ? WH_ACCEPT_EXACT : 0;
}


int
wh_accept_best(const wh_accept_t *a)
{
    int     best;
    size_t  i;

    if (!a->some) {
        return 0;
    }

    best = -1;

    for (i = 0; i < a->n; i++) {
        if (a->q[i] > 0 && (best == -1 || a->q[i] > a->q[best])) {
            best = (int) i;
        }
    }

    return best;
}
