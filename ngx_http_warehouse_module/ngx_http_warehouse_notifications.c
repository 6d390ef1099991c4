#include "ngx_http_warehouse_notifications.h"
#include "ngx_http_warehouse_after.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_feed.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_refusal.h"
#include "ngx_http_warehouse_request.h"
#include "wh_args.h"


static ngx_int_t ngx_http_warehouse_notifications_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_notifications_refuse(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_notifications_open(ngx_http_request_t *r,
    const wh_args_t *args);


ngx_int_t
ngx_http_warehouse_notifications_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    return ngx_http_warehouse_enter_get(r,
                              NGX_HTTP_WAREHOUSE_SERVE_NOTIFICATIONS, &rc)
           ? ngx_http_warehouse_after(r, ngx_http_warehouse_notifications_read)
           : rc;
}


static ngx_int_t
ngx_http_warehouse_notifications_read(ngx_http_request_t *r)
{
    char                          *buf;
    ngx_int_t                      rc;
    wh_args_t                      args;
    wh_error_t                     err;
    ngx_http_warehouse_problem_t   problem;

    buf = ngx_pnalloc(r->pool, r->args.len + 1);
    if (buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));
    problem.status = NGX_HTTP_BAD_REQUEST;

    if (wh_args_parse_feed(&args, (char *) r->args.data, r->args.len, buf,
                           &err)
        != WH_OK)
    {
        problem.detail = err.text;
        return ngx_http_warehouse_problem(r, &problem);
    }

    /* a browser that comes back says what it got last: the address is older */

    if (ngx_http_warehouse_read_event_id(r, &args.offset) != NGX_OK) {
        problem.detail = "Last-Event-ID is not the offset of a notification";
        return ngx_http_warehouse_problem(r, &problem);
    }

    rc = ngx_http_warehouse_notifications_refuse(r);

    return (rc == NGX_DECLINED) ? ngx_http_warehouse_notifications_open(r,
                                                                       &args)
                                : rc;
}


/* NGX_DECLINED: there is no reason to; otherwise r is answered. */

static ngx_int_t
ngx_http_warehouse_notifications_refuse(ngx_http_request_t *r)
{
    ngx_http_warehouse_refusal_t     refusal;
    ngx_http_warehouse_loc_conf_t   *wlcf;
    ngx_http_warehouse_main_conf_t  *wmcf;

    static const ngx_http_warehouse_problem_t  crowded = {
        NGX_HTTP_SERVICE_UNAVAILABLE, "too many follow the notifications",
        NULL, NULL, 1, NULL
    };

    static const ngx_http_warehouse_problem_t  older = {
        NGX_HTTP_SERVICE_UNAVAILABLE, "the daemon keeps no notifications yet",
        NULL, NULL, 0, NULL
    };

    static const ngx_http_warehouse_problem_t  leaving = {
        NGX_HTTP_SERVICE_UNAVAILABLE, "this worker is leaving", NULL, NULL, 1,
        NULL
    };

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);
    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);

    if (ngx_exiting || ngx_quit) {
        r->keepalive = 0;
        return ngx_http_warehouse_problem(r, &leaving);
    }

    if (ngx_http_warehouse_slot->subscribers >= wmcf->max_subscribers) {
        ngx_http_warehouse_count(unsubscribed);
        return ngx_http_warehouse_problem(r, &crowded);
    }

    switch (ngx_http_warehouse_db_understands(wlcf->db, &refusal)) {

    case NGX_OK:
        return NGX_DECLINED;

    case NGX_DECLINED:
        return ngx_http_warehouse_problem(r, &older);

    default:
        return ngx_http_warehouse_refused(r, &refusal);
    }
}


static ngx_int_t
ngx_http_warehouse_notifications_open(ngx_http_request_t *r,
    const wh_args_t *args)
{
    ngx_int_t                         rc;
    ngx_http_warehouse_feed_t        *feed;
    ngx_http_warehouse_loc_conf_t    *wlcf;
    ngx_http_warehouse_subscriber_t  *s;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);
    feed = ngx_http_warehouse_db_feed(wlcf->db);

    s = ngx_http_warehouse_feed_subscribe(feed, r, args);
    if (s == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_warehouse_stream_open(ngx_http_warehouse_feed_stream(s), r,
                                        wlcf->stream_buffer);

    if (rc != NGX_OK || r->header_only) {
        return rc;
    }

    r->main->count++;

    ngx_http_warehouse_feed_begin(feed, ngx_http_warehouse_db_watch(wlcf->db),
                                  s, wlcf->heartbeat);

    return NGX_DONE;
}
