/*
 * Problem documents (RFC 9457): the one place that turns an error into a
 * reply.
 */

#ifndef _NGX_HTTP_WAREHOUSE_PROBLEM_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_PROBLEM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


#define NGX_HTTP_WAREHOUSE_NOT_ACCEPTABLE  406
#define NGX_HTTP_WAREHOUSE_NO_MORE         410
#define NGX_HTTP_WAREHOUSE_UNPROCESSABLE   422


typedef struct {
    ngx_uint_t   status;
    const char  *detail;     /* a sentence */
    const char  *pointer;    /* a JSON pointer to the bad field, or NULL */
    const char  *allow;      /* Allow, of a 405; static, or NULL */
    ngx_uint_t   retry;      /* Retry-After, s; 0: waiting will not help */
    const char  *members;    /* more of the document, as JSON, or NULL */
} ngx_http_warehouse_problem_t;


/*
 * Answers r with a problem; its texts are copied where they are needed longer.
 * Where the location has an error_page for the status, keeps the problem for
 * warehouse_problem and returns the bare status: what error_page leads to is
 * answered as if by itself.
 *
 * Returns what a content handler returns or ngx_http_finalize_request() takes.
 */
ngx_int_t ngx_http_warehouse_problem(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem);

/* The content handler of warehouse_problem, the target of error_page. */
ngx_int_t ngx_http_warehouse_problem_handler(ngx_http_request_t *r);


#endif /* _NGX_HTTP_WAREHOUSE_PROBLEM_H_INCLUDED_ */
