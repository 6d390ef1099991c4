#include "ngx_http_warehouse_problem.h"
#include "wh_json.h"


typedef struct {
    ngx_uint_t   status;
    ngx_str_t    detail;
    ngx_str_t    pointer;
    ngx_str_t    allow;      /* of a 405 */
    ngx_uint_t   retry;      /* with Retry-After */
} ngx_http_warehouse_problem_t;


typedef struct {
    ngx_uint_t   status;
    const char  *title;
    const char  *detail;     /* where it was nginx's core that refused */
} ngx_http_warehouse_status_t;


static ngx_int_t ngx_http_warehouse_problem_answer(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem);
static ngx_int_t ngx_http_warehouse_problem_send(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem);
static void ngx_http_warehouse_problem_expect(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_problem_headers(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem);
static ngx_http_warehouse_problem_t *ngx_http_warehouse_problem_kept(
    ngx_http_request_t *r);
static void ngx_http_warehouse_problem_cleanup(void *data);
static ngx_uint_t ngx_http_warehouse_has_error_page(ngx_http_request_t *r,
    ngx_uint_t status);
static const ngx_http_warehouse_status_t *ngx_http_warehouse_status(
    ngx_uint_t status);


/* titles: RFC 9110 §15 */

static const ngx_http_warehouse_status_t  ngx_http_warehouse_statuses[] = {
    { 400, "Bad Request", "the request is not valid HTTP" },
    { 401, "Unauthorized", "authentication is required" },
    { 403, "Forbidden", "the request is not allowed" },
    { 404, "Not Found", "there is nothing at this address" },
    { 405, "Method Not Allowed", "the method is not allowed here" },
    { 408, "Request Timeout", "the request did not arrive in time" },
    { 411, "Length Required", "the request has no length" },
    { 413, "Content Too Large", "the request body is too large" },
    { 414, "URI Too Long", "the address is too long" },
    { 415, "Unsupported Media Type", "the body is not application/json" },
    { 422, "Unprocessable Content", "the body is not a command" },
    { 429, "Too Many Requests", "too many requests" },
    { 431, "Request Header Fields Too Large", "the header is too large" },
    { 500, "Internal Server Error", "the server met an error of its own" },
    { 501, "Not Implemented", "the server cannot do that" },
    { 502, "Bad Gateway", "another server gave no valid answer" },
    { 503, "Service Unavailable", "the server cannot do that now" },
    { 504, "Gateway Timeout", "another server gave no answer in time" },
    { 0, "Error", "the request failed" }
};


ngx_int_t
ngx_http_warehouse_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail, const char *pointer)
{
    ngx_http_warehouse_problem_t  problem;

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    problem.status = status;
    problem.detail.data = (u_char *) detail;
    problem.detail.len = ngx_strlen(detail);

    if (pointer != NULL) {
        problem.pointer.data = (u_char *) pointer;
        problem.pointer.len = ngx_strlen(pointer);
    }

    return ngx_http_warehouse_problem_answer(r, &problem);
}


ngx_int_t
ngx_http_warehouse_not_allowed(ngx_http_request_t *r, const char *allow)
{
    ngx_http_warehouse_problem_t  problem;

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    problem.status = NGX_HTTP_NOT_ALLOWED;
    ngx_str_set(&problem.detail, "the method is not allowed here");
    problem.allow.data = (u_char *) allow;
    problem.allow.len = ngx_strlen(allow);

    return ngx_http_warehouse_problem_answer(r, &problem);
}


ngx_int_t
ngx_http_warehouse_unavailable(ngx_http_request_t *r, const char *detail,
    ngx_uint_t retry)
{
    ngx_http_warehouse_problem_t  problem;

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    problem.status = NGX_HTTP_SERVICE_UNAVAILABLE;
    problem.detail.data = (u_char *) detail;
    problem.detail.len = ngx_strlen(detail);
    problem.retry = retry;

    return ngx_http_warehouse_problem_answer(r, &problem);
}


static ngx_int_t
ngx_http_warehouse_problem_answer(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem)
{
    u_char                        *p;
    ngx_pool_cleanup_t            *cln;
    ngx_http_warehouse_problem_t  *kept;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "warehouse: %ui: %V",
                  problem->status, &problem->detail);

    ngx_http_warehouse_problem_expect(r);

    if (!ngx_http_warehouse_has_error_page(r, problem->status)) {
        return ngx_http_warehouse_problem_send(r, problem);
    }

    /*
     * An internal redirect clears the contexts of all modules, so the text
     * is kept where warehouse_problem finds it again: among the cleanups.
     */

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_warehouse_problem_t)
                                        + problem->detail.len
                                        + problem->pointer.len);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_warehouse_problem_cleanup;
    kept = cln->data;

    *kept = *problem;
    p = (u_char *) &kept[1];

    kept->detail.data = p;
    p = ngx_cpymem(p, problem->detail.data, problem->detail.len);

    if (problem->pointer.len) {
        kept->pointer.data = p;
        (void) ngx_cpymem(p, problem->pointer.data, problem->pointer.len);
    }

    return (ngx_int_t) problem->status;
}


ngx_int_t
ngx_http_warehouse_problem_handler(ngx_http_request_t *r)
{
    ngx_http_warehouse_problem_t        *kept, problem;
    const ngx_http_warehouse_status_t   *status;

    if (r->err_status == 0) {
        return NGX_HTTP_NOT_FOUND;
    }

    kept = ngx_http_warehouse_problem_kept(r);

    if (kept != NULL && kept->status == r->err_status) {
        return ngx_http_warehouse_problem_send(r, kept);
    }

    status = ngx_http_warehouse_status(r->err_status);

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    problem.status = r->err_status;
    problem.detail.data = (u_char *) status->detail;
    problem.detail.len = ngx_strlen(status->detail);

    return ngx_http_warehouse_problem_send(r, &problem);
}


static ngx_http_warehouse_problem_t *
ngx_http_warehouse_problem_kept(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    /* the newest cleanup comes first */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_warehouse_problem_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_http_warehouse_problem_cleanup(void *data)
{
    /* marks the kept text; its memory is the pool's */
}


static ngx_uint_t
ngx_http_warehouse_has_error_page(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->error_pages == NULL || r->error_page || r->uri_changes == 0) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_warehouse_problem_send(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem)
{
    u_char                             *p;
    size_t                              len;
    ngx_int_t                           rc;
    ngx_buf_t                          *b;
    ngx_chain_t                         out;
    const ngx_http_warehouse_status_t  *status;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_warehouse_problem_headers(r, problem) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    status = ngx_http_warehouse_status(problem->status);

    len = sizeof("{\"type\":\"about:blank\",\"title\":\"\",\"status\":"
                 ",\"detail\":,\"pointer\":\"\"}")
          + ngx_strlen(status->title) + NGX_INT_T_LEN
          + wh_json_string(NULL, (char *) problem->detail.data,
                           problem->detail.len)
          + problem->pointer.len;

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(b->last, "{\"type\":\"about:blank\",\"title\":\"%s\","
                    "\"status\":%ui,\"detail\":", status->title,
                    problem->status);
    p += wh_json_string((char *) p, (char *) problem->detail.data,
                        problem->detail.len);

    if (problem->pointer.len) {
        p = ngx_sprintf(p, ",\"pointer\":\"%V\"", &problem->pointer);
    }

    *p++ = '}';

    b->last = p;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    r->headers_out.status = problem->status;
    r->headers_out.content_length_n = b->last - b->pos;

    if (problem->status == NGX_HTTP_WAREHOUSE_UNPROCESSABLE) {
        /* not among the statuses that nginx has a text for */
        ngx_str_set(&r->headers_out.status_line, "422 Unprocessable Content");
    }

    ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->disable_not_modified = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, &out);
}


/*
 * A client that waits for 100 (Continue) learns from the reply that it need not
 * send a body, and then nobody knows whether what comes next is a body or a
 * request (RFC 9110 §10.1.1).
 */

static void
ngx_http_warehouse_problem_expect(ngx_http_request_t *r)
{
    if (r->headers_in.expect != NULL && !r->expect_tested
        && r->request_body == NULL)
    {
        r->expect_tested = 1;
        r->keepalive = 0;
    }
}


static ngx_int_t
ngx_http_warehouse_problem_headers(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem)
{
    static ngx_str_t  retry_after = ngx_string("1");

    if (problem->retry
        && ngx_http_warehouse_add_header(r, "Retry-After", &retry_after)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (problem->allow.len
        && ngx_http_warehouse_add_header(r, "Allow", &problem->allow)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static const ngx_http_warehouse_status_t *
ngx_http_warehouse_status(ngx_uint_t status)
{
    const ngx_http_warehouse_status_t  *s;

    for (s = ngx_http_warehouse_statuses; s->status; s++) {
        if (s->status == status) {
            break;
        }
    }

    return s;
}


ngx_int_t
ngx_http_warehouse_add_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}
