#include "wh_args.h"
#include "wh_position.h"

#include <string.h>


/* A parameter as it stands in the text. */

typedef struct {
    const char  *name;
    size_t       name_len;
    const char  *value;
    size_t       len;
} wh_parameter_t;


typedef struct {
    const char  *name;
    int        (*set)(wh_args_t *args, const wh_parameter_t *p, char **buf,
                      wh_error_t *err);
} wh_args_name_t;


typedef struct {
    const wh_args_name_t  *names;
    size_t                 n;
    const char            *list;       /* of them, for people */
} wh_args_names_t;


static int wh_args_all(wh_args_t *args, const wh_args_names_t *names,
    const char *text, size_t len, char *buf, wh_error_t *err);
static int wh_args_next(wh_parameter_t *p, const char **text,
    const char *end);
static int wh_args_set(wh_args_t *args, const wh_args_names_t *names,
    const wh_parameter_t *p, char **buf, unsigned *seen, wh_error_t *err);
static int wh_args_sku(wh_args_t *args, const wh_parameter_t *p, char **buf,
    wh_error_t *err);
static int wh_args_prefix(wh_args_t *args, const wh_parameter_t *p,
    char **buf, wh_error_t *err);
static int wh_args_after(wh_args_t *args, const wh_parameter_t *p,
    char **buf, wh_error_t *err);
static int wh_args_limit(wh_args_t *args, const wh_parameter_t *p,
    char **buf, wh_error_t *err);
static int wh_args_offset(wh_args_t *args, const wh_parameter_t *p,
    char **buf, wh_error_t *err);
static int wh_args_decode(wh_args_text_t *text, const char *name,
    const char *value, size_t len, char **buf, wh_error_t *err);
static int wh_args_unknown(const wh_parameter_t *p, const char *list,
    wh_error_t *err);


static const wh_args_name_t  wh_args_of_items[] = {
    { "sku", wh_args_sku },
    { "prefix", wh_args_prefix },
    { "after", wh_args_after },
    { "limit", wh_args_limit },
};

static const wh_args_name_t  wh_args_of_feed[] = {
    { "sku", wh_args_sku },
    { "prefix", wh_args_prefix },
    { "after", wh_args_offset },
};


int
wh_args_parse(wh_args_t *args, const char *text, size_t len, char *buf,
    wh_error_t *err)
{
    static const wh_args_names_t  names = {
        wh_args_of_items, 4, "sku, prefix, after and limit"
    };

    return wh_args_all(args, &names, text, len, buf, err);
}


int
wh_args_parse_feed(wh_args_t *args, const char *text, size_t len, char *buf,
    wh_error_t *err)
{
    static const wh_args_names_t  names = {
        wh_args_of_feed, 3, "sku, prefix and after"
    };

    return wh_args_all(args, &names, text, len, buf, err);
}


static int
wh_args_all(wh_args_t *args, const wh_args_names_t *names, const char *text,
    size_t len, char *buf, wh_error_t *err)
{
    int              rc, more;
    unsigned         seen;
    const char      *end;
    wh_parameter_t   p;

    memset(args, 0, sizeof(wh_args_t));
    args->limit = WH_ARGS_LIMIT;
    args->offset = WH_ARGS_NOW;

    seen = 0;
    end = text + len;

    for (more = (len > 0); more; /* void */) {

        more = wh_args_next(&p, &text, end);

        rc = wh_args_set(args, names, &p, &buf, &seen, err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    if (args->n > 0 && args->page) {
        return wh_error_set(err, WH_ECOMMAND, "the parameter \"sku\" goes with "
                            "no %s", names->n == 3 ? "prefix" : "other one");
    }

    return WH_OK;
}


/* Up to the next "&".  Returns whether there was one. */

static int
wh_args_next(wh_parameter_t *p, const char **text, const char *end)
{
    const char  *amp, *equals;

    amp = memchr(*text, '&', (size_t) (end - *text));
    amp = (amp != NULL) ? amp : end;

    equals = memchr(*text, '=', (size_t) (amp - *text));

    p->name = *text;
    p->name_len = (size_t) ((equals != NULL ? equals : amp) - *text);
    p->value = (equals != NULL) ? equals + 1 : amp;
    p->len = (size_t) (amp - p->value);

    if (amp == end) {
        return 0;
    }

    *text = amp + 1;

    return 1;
}


static int
wh_args_set(wh_args_t *args, const wh_args_names_t *names,
    const wh_parameter_t *p, char **buf, unsigned *seen, wh_error_t *err)
{
    size_t                 i;
    const wh_args_name_t  *n;

    for (i = 0; i < names->n; i++) {
        n = &names->names[i];

        if (p->name_len != strlen(n->name)
            || memcmp(p->name, n->name, p->name_len) != 0)
        {
            continue;
        }

        if (*seen & 1u << i) {
            return wh_error_set(err, WH_ECOMMAND, "the parameter \"%s\" is "
                                "there twice", n->name);
        }

        *seen |= 1u << i;

        return n->set(args, p, buf, err);
    }

    return wh_args_unknown(p, names->list, err);
}


/* Commas part the skus; one within a sku is percent-encoded. */

static int
wh_args_sku(wh_args_t *args, const wh_parameter_t *p, char **buf,
    wh_error_t *err)
{
    int          rc;
    const char  *sku, *comma, *end;

    end = p->value + p->len;

    for (sku = p->value; sku <= end; sku = comma + 1) {

        comma = memchr(sku, ',', (size_t) (end - sku));
        comma = (comma != NULL) ? comma : end;

        if (args->n == WH_ARGS_SKUS) {
            return wh_error_set(err, WH_ECOMMAND, "the parameter \"sku\" has "
                                "more than %d skus", WH_ARGS_SKUS);
        }

        rc = wh_args_decode(&args->skus[args->n], "sku", sku,
                            (size_t) (comma - sku), buf, err);
        if (rc != WH_OK) {
            return rc;
        }

        args->n++;
    }

    return WH_OK;
}


static int
wh_args_prefix(wh_args_t *args, const wh_parameter_t *p, char **buf,
    wh_error_t *err)
{
    args->page = 1;

    return wh_args_decode(&args->prefix, "prefix", p->value, p->len, buf,
                          err);
}


static int
wh_args_after(wh_args_t *args, const wh_parameter_t *p, char **buf,
    wh_error_t *err)
{
    args->page = 1;

    return wh_args_decode(&args->after, "after", p->value, p->len, buf, err);
}


static int
wh_args_limit(wh_args_t *args, const wh_parameter_t *p, char **buf,
    wh_error_t *err)
{
    size_t    i;
    unsigned  limit;

    (void) buf;

    args->page = 1;
    limit = 0;

    for (i = 0; i < p->len && limit <= WH_ARGS_LIMIT; i++) {

        if (p->value[i] < '0' || p->value[i] > '9') {
            break;
        }

        limit = limit * 10 + (unsigned) (p->value[i] - '0');
    }

    if (i < p->len || limit < 1 || limit > WH_ARGS_LIMIT) {
        return wh_error_set(err, WH_ECOMMAND, "the parameter \"limit\" is not "
                            "a number from 1 to %d", WH_ARGS_LIMIT);
    }

    args->limit = limit;

    return WH_OK;
}


static int
wh_args_offset(wh_args_t *args, const wh_parameter_t *p, char **buf,
    wh_error_t *err)
{
    (void) buf;

    if (wh_offset_behind_parse(&args->offset, p->value, p->len) != WH_OK) {
        return wh_error_set(err, WH_ECOMMAND, "the parameter \"after\" is not "
                            "the offset of a notification, or -1");
    }

    return WH_OK;
}


/* A sku, or the beginning of some. */

static int
wh_args_decode(wh_args_text_t *text, const char *name, const char *value,
    size_t len, char **buf, wh_error_t *err)
{
    text->data = *buf;

    if (wh_percent_decode(*buf, &text->len, value, len) != WH_OK
        || !wh_sku_valid(text->data, text->len))
    {
        return wh_error_set(err, WH_ECOMMAND, "the parameter \"%s\" is not 1 "
                            "to 255 bytes of UTF-8 without control "
                            "characters, percent-encoded", name);
    }

    *buf += text->len;

    return WH_OK;
}


/* Names it, as far as its characters can be shown. */

static int
wh_args_unknown(const wh_parameter_t *p, const char *list, wh_error_t *err)
{
    char    name[32];
    size_t  i;

    for (i = 0; i < p->name_len && i < sizeof(name) - 1; i++) {
        name[i] = (p->name[i] > 0x20 && p->name[i] < 0x7F
                   && p->name[i] != '"' && p->name[i] != '\\')
                  ? p->name[i] : '?';
    }

    name[i] = '\0';

    return wh_error_set(err, WH_ECOMMAND, "there is no parameter \"%s\", only "
                        "%s", name, list);
}
