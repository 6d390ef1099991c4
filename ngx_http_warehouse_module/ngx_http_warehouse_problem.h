/*
 * Problem documents (RFC 9457): the one place that turns an error into a
 * reply.
 */

#ifndef _NGX_HTTP_WAREHOUSE_PROBLEM_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_PROBLEM_H_INCLUDED_


#include "ngx_http_warehouse_module.h"


#define NGX_HTTP_WAREHOUSE_UNPROCESSABLE  422


/*
 * Answers r with status and a problem document; detail is a sentence, pointer
 * a JSON pointer or NULL; both are copied.  Where the location has an
 * error_page for the status, keeps the text for warehouse_problem and returns
 * the bare status: what error_page leads to is answered as if by itself.
 *
 * Returns what a content handler returns or ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_warehouse_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail, const char *pointer);

/* The same for 405, with its Allow header; allow is static. */
ngx_int_t ngx_http_warehouse_not_allowed(ngx_http_request_t *r,
    const char *allow);

/* The same for 503; retry: with Retry-After, since it will pass. */
ngx_int_t ngx_http_warehouse_unavailable(ngx_http_request_t *r,
    const char *detail, ngx_uint_t retry);

/* Adds a header to the reply; value must live as long as r.  NGX_OK, _ERROR. */
ngx_int_t ngx_http_warehouse_add_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);

/* The content handler of warehouse_problem, the target of error_page. */
ngx_int_t ngx_http_warehouse_problem_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_PROBLEM_H_INCLUDED_ */
