#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_entry.h"
#include "ngx_http_warehouse_reply.h"
#include "wh_json.h"


typedef struct {
    ngx_uint_t   status;
    const char  *title;
    const char  *detail;     /* where it was nginx's core that refused */
} ngx_http_warehouse_status_t;


static ngx_int_t ngx_http_warehouse_problem_keep(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem);
static void ngx_http_warehouse_problem_cleanup(void *data);
static ngx_http_warehouse_problem_t *ngx_http_warehouse_problem_kept(
    ngx_http_request_t *r);
static ngx_uint_t ngx_http_warehouse_problem_has_page(ngx_http_request_t *r,
    ngx_uint_t status);
static ngx_int_t ngx_http_warehouse_problem_send(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem);
static ngx_int_t ngx_http_warehouse_problem_document(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem, ngx_str_t *document);
static ngx_int_t ngx_http_warehouse_problem_headers(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem);
static void ngx_http_warehouse_problem_expect(ngx_http_request_t *r);
static const ngx_http_warehouse_status_t *ngx_http_warehouse_problem_status(
    ngx_uint_t status);


/* titles: RFC 9110 §15 */

static const ngx_http_warehouse_status_t  ngx_http_warehouse_statuses[] = {
    { 400, "Bad Request", "the request is not valid HTTP" },
    { 401, "Unauthorized", "authentication is required" },
    { 403, "Forbidden", "the request is not allowed" },
    { 404, "Not Found", "there is nothing at this address" },
    { 405, "Method Not Allowed", "the method is not allowed here" },
    { 406, "Not Acceptable", "there is none of the types that are accepted" },
    { 408, "Request Timeout", "the request did not arrive in time" },
    { 409, "Conflict", "the state of things does not allow it" },
    { 410, "Gone", "it is not there any more" },
    { 411, "Length Required", "the request has no length" },
    { 412, "Precondition Failed", "a condition of the request is not met" },
    { 413, "Content Too Large", "the request body is too large" },
    { 414, "URI Too Long", "the address is too long" },
    { 415, "Unsupported Media Type", "the body is not application/json" },
    { 416, "Range Not Satisfiable", "there is no such range" },
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
ngx_http_warehouse_problem(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem)
{
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0, "warehouse: %ui: %s",
                  problem->status, problem->detail);

    ngx_http_warehouse_problem_expect(r);

    return ngx_http_warehouse_problem_has_page(r, problem->status)
           ? ngx_http_warehouse_problem_keep(r, problem)
           : ngx_http_warehouse_problem_send(r, problem);
}


/*
 * An internal redirect clears the contexts of all modules, so the problem is
 * kept where warehouse_problem finds it again: among the cleanups.
 */

static ngx_int_t
ngx_http_warehouse_problem_keep(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem)
{
    u_char                        *p;
    size_t                         detail, pointer, members;
    ngx_pool_cleanup_t            *cln;
    ngx_http_warehouse_problem_t  *kept;

    detail = ngx_strlen(problem->detail) + 1;
    pointer = problem->pointer ? ngx_strlen(problem->pointer) + 1 : 0;
    members = problem->members ? ngx_strlen(problem->members) + 1 : 0;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_warehouse_problem_t)
                                        + detail + pointer + members);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_warehouse_problem_cleanup;
    kept = cln->data;

    *kept = *problem;
    p = (u_char *) &kept[1];

    kept->detail = (char *) p;
    p = ngx_cpymem(p, problem->detail, detail);

    if (pointer) {
        kept->pointer = (char *) p;
        p = ngx_cpymem(p, problem->pointer, pointer);
    }

    if (members) {
        kept->members = (char *) p;
        (void) ngx_cpymem(p, problem->members, members);
    }

    return (ngx_int_t) problem->status;
}


static void
ngx_http_warehouse_problem_cleanup(void *data)
{
    /* marks the kept text; its memory is the pool's */
}


ngx_int_t
ngx_http_warehouse_problem_handler(ngx_http_request_t *r)
{
    ngx_http_warehouse_problem_t  *kept, problem;

    /* not by error_page, or for a redirect, which is no problem */

    if (r->err_status < NGX_HTTP_BAD_REQUEST) {
        return NGX_HTTP_NOT_FOUND;
    }

    if (r == r->main
        && ngx_http_warehouse_enter(r, NGX_HTTP_WAREHOUSE_SERVE_PROBLEM)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    kept = ngx_http_warehouse_problem_kept(r);

    if (kept != NULL && kept->status == r->err_status) {
        return ngx_http_warehouse_problem_send(r, kept);
    }

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    problem.status = r->err_status;
    problem.detail = ngx_http_warehouse_problem_status(r->err_status)->detail;

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


static ngx_uint_t
ngx_http_warehouse_problem_has_page(ngx_http_request_t *r, ngx_uint_t status)
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
    const ngx_http_warehouse_problem_t *problem)
{
    ngx_int_t  rc;
    ngx_str_t  document;

    static ngx_str_t  type = ngx_string("application/problem+json");

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_warehouse_problem_headers(r, problem) != NGX_OK
        || ngx_http_warehouse_problem_document(r, problem, &document)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (problem->status == NGX_HTTP_WAREHOUSE_UNPROCESSABLE) {
        /* not among the statuses that nginx has a text for */
        ngx_str_set(&r->headers_out.status_line, "422 Unprocessable Content");
    }

    return ngx_http_warehouse_reply(r, problem->status, &type, &document);
}


static ngx_int_t
ngx_http_warehouse_problem_document(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem, ngx_str_t *document)
{
    u_char      *p;
    size_t       len;
    const char  *title, *pointer, *members;

    title = ngx_http_warehouse_problem_status(problem->status)->title;
    pointer = problem->pointer ? problem->pointer : "";
    members = problem->members ? problem->members : "";
    len = ngx_strlen(problem->detail);

    p = ngx_pnalloc(r->pool, sizeof("{\"type\":\"about:blank\",\"title\":\"\","
                                    "\"status\":,\"detail\":,"
                                    "\"pointer\":\"\",}")
                             + ngx_strlen(title) + NGX_INT_T_LEN
                             + wh_json_string(NULL, problem->detail, len)
                             + ngx_strlen(pointer) + ngx_strlen(members));
    if (p == NULL) {
        return NGX_ERROR;
    }

    document->data = p;

    p = ngx_sprintf(p, "{\"type\":\"about:blank\",\"title\":\"%s\","
                    "\"status\":%ui,\"detail\":", title, problem->status);
    p += wh_json_string((char *) p, problem->detail, len);

    if (*pointer != '\0') {
        p = ngx_sprintf(p, ",\"pointer\":\"%s\"", pointer);
    }

    if (*members != '\0') {
        p = ngx_sprintf(p, ",%s", members);
    }

    *p++ = '}';

    document->len = p - document->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_problem_headers(ngx_http_request_t *r,
    const ngx_http_warehouse_problem_t *problem)
{
    ngx_str_t  value;

    if (problem->retry) {
        value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
        if (value.data == NULL) {
            return NGX_ERROR;
        }

        value.len = ngx_sprintf(value.data, "%ui", problem->retry)
                    - value.data;

        if (ngx_http_warehouse_add_header(r, "Retry-After", &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (problem->allow != NULL) {
        value.data = (u_char *) problem->allow;
        value.len = ngx_strlen(problem->allow);

        if (ngx_http_warehouse_add_header(r, "Allow", &value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
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


static const ngx_http_warehouse_status_t *
ngx_http_warehouse_problem_status(ngx_uint_t status)
{
    const ngx_http_warehouse_status_t  *s;

    for (s = ngx_http_warehouse_statuses; s->status; s++) {
        if (s->status == status) {
            break;
        }
    }

    return s;
}
