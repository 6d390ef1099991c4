#include "ngx_http_warehouse_commands.h"
#include "ngx_http_warehouse_after.h"
#include "ngx_http_warehouse_batch.h"
#include "ngx_http_warehouse_body.h"
#include "ngx_http_warehouse_command.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_entry.h"
#include "ngx_http_warehouse_fates.h"
#include "ngx_http_warehouse_follow.h"
#include "ngx_http_warehouse_outcome.h"
#include "ngx_http_warehouse_path.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_request.h"
#include "ngx_http_warehouse_write.h"


static ngx_int_t ngx_http_warehouse_commands_get(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_commands_outcome(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_commands_post(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_commands_check(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_commands_busy(ngx_http_request_t *r);
static void ngx_http_warehouse_commands_body(ngx_http_request_t *r);


static const ngx_http_warehouse_problem_t
    ngx_http_warehouse_commands_too_large = {
    NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
    "the body is larger than client_max_body_size", NULL, NULL, 0, NULL
};


ngx_int_t
ngx_http_warehouse_commands_handler(ngx_http_request_t *r)
{
    ngx_int_t                       rc;
    ngx_str_t                       below;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    static const ngx_http_warehouse_problem_t  not_allowed = {
        NGX_HTTP_NOT_ALLOWED, "the method is not allowed here", NULL,
        "POST", 0, NULL
    };

    static const ngx_http_warehouse_problem_t  not_below = {
        NGX_HTTP_NOT_ALLOWED, "the method is not allowed here: what became of "
        "the command at a position can be read", NULL, "GET, HEAD", 0, NULL
    };

    rc = ngx_http_warehouse_enter(r, NGX_HTTP_WAREHOUSE_SERVE_COMMANDS);
    if (rc != NGX_OK) {
        return rc;
    }

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    if (wlcf->db != NULL) {

        if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
            return ngx_http_warehouse_commands_get(r);
        }

        if (ngx_http_warehouse_path(r, &below) == NGX_OK) {
            return ngx_http_warehouse_problem(r, &not_below);
        }
    }

    return (r->method == NGX_HTTP_POST)
           ? ngx_http_warehouse_commands_post(r)
           : ngx_http_warehouse_problem(r, &not_allowed);
}


/* Of one command: /commands/0:41. */

static ngx_int_t
ngx_http_warehouse_commands_get(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  position;

    static const ngx_http_warehouse_problem_t  not_allowed = {
        NGX_HTTP_NOT_ALLOWED, "the method is not allowed here: what became of "
        "a command is below, at its position", NULL, "POST", 0, NULL
    };

    if (ngx_http_warehouse_path(r, &position) == NGX_DONE) {
        return ngx_http_warehouse_problem(r, &not_allowed);
    }

    rc = ngx_http_discard_request_body(r);

    return (rc == NGX_OK)
           ? ngx_http_warehouse_after(r, ngx_http_warehouse_commands_outcome)
           : rc;
}


static ngx_int_t
ngx_http_warehouse_commands_outcome(ngx_http_request_t *r)
{
    ngx_str_t  position;

    switch (ngx_http_warehouse_path(r, &position)) {

    case NGX_OK:
        break;

    case NGX_ERROR:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    default:
        ngx_str_set(&position, "");
        break;
    }

    return ngx_http_warehouse_outcome(r, &position);
}


static ngx_int_t
ngx_http_warehouse_commands_post(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (ngx_http_warehouse_write_crowded(r, 1)) {
        ngx_http_warehouse_count(overload);
        return ngx_http_warehouse_commands_busy(r);
    }

    rc = ngx_http_warehouse_commands_check(r);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                           ngx_http_warehouse_commands_body);

    if (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {

        /* what is left of the body must not be taken for the next request */
        r->keepalive = 0;

        return ngx_http_warehouse_problem(r,
                                     &ngx_http_warehouse_commands_too_large);
    }

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


/* The header.  NGX_DECLINED: it is good; or r is answered. */

static ngx_int_t
ngx_http_warehouse_commands_check(ngx_http_request_t *r)
{
    ngx_http_warehouse_problem_t    problem;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    if (ngx_http_warehouse_check_media(r, &problem) != NGX_OK
        || ngx_http_warehouse_read_key(r, &problem) != NGX_OK)
    {
        return ngx_http_warehouse_problem(r, &problem);
    }

    if (!ngx_http_warehouse_is_batch(r)
        && r->headers_in.content_length_n > (off_t) wlcf->command_size)
    {
        return ngx_http_warehouse_command_too_large(r);
    }

    switch (ngx_http_warehouse_follow_wanted(r)) {

    case NGX_OK:
        return NGX_DECLINED;

    case NGX_DECLINED:
        return ngx_http_warehouse_commands_busy(r);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static ngx_int_t
ngx_http_warehouse_commands_busy(ngx_http_request_t *r)
{
    return ngx_http_warehouse_problem(r,
                     ngx_http_warehouse_fate_problem(NGX_HTTP_WAREHOUSE_BUSY));
}


static void
ngx_http_warehouse_commands_body(ngx_http_request_t *r)
{
    ngx_int_t  rc;
    ngx_str_t  body;

    if (ngx_http_warehouse_body(r, &body) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    rc = ngx_http_warehouse_is_batch(r)
         ? ngx_http_warehouse_batch(r, &body)
         : ngx_http_warehouse_command(r, &body);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}
