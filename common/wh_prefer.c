#include "wh_prefer.h"

#include <strings.h>


/* A part of the value. */

typedef struct {
    const char  *p;
    const char  *end;
} wh_prefer_t;


static void wh_prefer_blanks(wh_prefer_t *f);
static size_t wh_prefer_token(wh_prefer_t *f);
static int32_t wh_prefer_value(wh_prefer_t *f);
static void wh_prefer_skip(wh_prefer_t *f);
static void wh_prefer_quoted(wh_prefer_t *f);


int32_t
wh_prefer_wait(const char *text, size_t len)
{
    size_t        n;
    wh_prefer_t   f;
    const char   *name;

    f.p = text;
    f.end = text + len;

    while (f.p < f.end) {
        wh_prefer_blanks(&f);

        name = f.p;
        n = wh_prefer_token(&f);
        wh_prefer_blanks(&f);

        if (n == sizeof("wait") - 1 && strncasecmp(name, "wait", n) == 0) {
            return wh_prefer_value(&f);
        }

        wh_prefer_skip(&f);
    }

    return -1;
}


static void
wh_prefer_blanks(wh_prefer_t *f)
{
    while (f->p < f->end && (*f->p == ' ' || *f->p == '\t')) {
        f->p++;
    }
}


/* How long the name is; whatever cannot be in one ends it. */

static size_t
wh_prefer_token(wh_prefer_t *f)
{
    const char  *begin;

    begin = f->p;

    while (f->p < f->end
           && ((*f->p >= 'a' && *f->p <= 'z') || (*f->p >= 'A' && *f->p <= 'Z')
               || (*f->p >= '0' && *f->p <= '9') || *f->p == '-'))
    {
        f->p++;
    }

    return (size_t) (f->p - begin);
}


/* "=" and a number, in quotes or not. */

static int32_t
wh_prefer_value(wh_prefer_t *f)
{
    int      quoted;
    int64_t  n;

    if (f->p == f->end || *f->p++ != '=') {
        return -1;
    }

    wh_prefer_blanks(f);

    quoted = (f->p < f->end && *f->p == '"');
    f->p += quoted;

    if (f->p == f->end || *f->p < '0' || *f->p > '9') {
        return -1;
    }

    for (n = 0; f->p < f->end && *f->p >= '0' && *f->p <= '9'; f->p++) {
        n = (n > INT32_MAX) ? n : n * 10 + (*f->p - '0');
    }

    if (quoted && (f->p == f->end || *f->p++ != '"')) {
        return -1;
    }

    wh_prefer_blanks(f);

    if (f->p < f->end && *f->p != ',' && *f->p != ';') {
        return -1;
    }

    return (n > INT32_MAX) ? INT32_MAX : (int32_t) n;
}


/* To behind the next comma that is not in quotes. */

static void
wh_prefer_skip(wh_prefer_t *f)
{
    while (f->p < f->end && *f->p != ',') {

        if (*f->p == '"') {
            wh_prefer_quoted(f);

        } else {
            f->p++;
        }
    }

    f->p += (f->p < f->end);
}


static void
wh_prefer_quoted(wh_prefer_t *f)
{
    for (f->p++; f->p < f->end && *f->p != '"'; f->p++) {
        f->p += (*f->p == '\\' && f->end - f->p > 1);
    }

    f->p += (f->p < f->end);
}
