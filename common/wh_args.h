/*
 * What a query string asks of the items: some skus, or a page of the list; or of
 * the notifications.
 */

#ifndef WH_ARGS_H
#define WH_ARGS_H

#include <stddef.h>
#include <stdint.h>

#include "wh_error.h"
#include "wh_sku.h"


#define WH_ARGS_SKUS   100      /* in one query */
#define WH_ARGS_LIMIT  1000     /* items in a page */
#define WH_ARGS_NOW    (-2)


typedef struct {
    const char  *data;           /* decoded, no NUL; NULL: not asked for */
    size_t       len;            /* bytes */
} wh_args_text_t;


typedef struct {
    int             page;       /* there is a parameter but sku */
    size_t          n;          /* of the skus */
    wh_args_text_t  skus[WH_ARGS_SKUS];
    wh_args_text_t  prefix;     /* of the skus in the page, ... */
    wh_args_text_t  after;      /* ... and the one before the first */
    unsigned        limit;      /* 1..WH_ARGS_LIMIT, also if not given */
    int64_t         offset;     /* of the notification before; -1: there is none */
} wh_args_t;


/*
 * Parses len bytes behind the "?": sku=A,B (up to WH_ARGS_SKUS of them), or
 * prefix, after and limit, each once, values percent-encoded.  What is decoded
 * goes to buf, which has room for len bytes.
 *
 * WH_OK; WH_ECOMMAND: err has text, ASCII, with the parameter that is wrong.
 */
int wh_args_parse(wh_args_t *args, const char *text, size_t len, char *buf,
    wh_error_t *err);

/*
 * The same for notifications: sku or prefix, and after, an offset or -1; without
 * it the offset is WH_ARGS_NOW.
 */
int wh_args_parse_feed(wh_args_t *args, const char *text, size_t len,
    char *buf, wh_error_t *err);


#endif
