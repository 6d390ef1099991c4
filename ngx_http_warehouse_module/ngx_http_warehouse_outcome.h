/*
 * The outcome of a command as clients see it: GET /commands/PARTITION:OFFSET,
 * and its members for other replies.
 */

#ifndef _NGX_HTTP_WAREHOUSE_OUTCOME_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_OUTCOME_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_warehouse_reader.h"
#include "wh_kept.h"


/* The word of a verdict. */
const char *ngx_http_warehouse_outcome_status(wh_verdict_t verdict);

/*
 * Serves the outcome at the position that text says.  Returns what a content
 * handler does.
 */
ngx_int_t ngx_http_warehouse_outcome(ngx_http_request_t *r, ngx_str_t *text);

/* Whether it may be that of a command, from its JSON: not if it is another's. */
ngx_uint_t ngx_http_warehouse_outcome_is_of(const wh_kept_t *kept,
    const ngx_str_t *value);

/*
 * The members of an outcome, in the reader's transaction; that of a duplicate
 * becomes the one of the command it repeats, where that is known.  *members is
 * from r->pool, with a NUL behind it.  NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_outcome_first(ngx_http_request_t *r,
    ngx_http_warehouse_reader_t *reader, ngx_str_t *topic, wh_kept_t *kept,
    ngx_str_t *members);


#endif /* _NGX_HTTP_WAREHOUSE_OUTCOME_H_INCLUDED_ */
