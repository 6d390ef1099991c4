#include "ngx_http_warehouse_after.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_follow.h"
#include "ngx_http_warehouse_outcomes.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_request.h"


/* ms: a look at the database that comes in time even where none may wait */
#define NGX_HTTP_WAREHOUSE_AFTER_LEAST  20


/* A request that waits. */

typedef struct {
    ngx_http_request_t            *request;
    ngx_http_handler_pt            handler;
    wh_position_t                 *positions;
    ngx_uint_t                     n;         /* of those */
    ngx_uint_t                     reached;   /* that many from the first on */
    ngx_http_warehouse_awaited_t   awaited;   /* the next one */
    ngx_event_t                    timer;
} ngx_http_warehouse_after_t;


static ngx_http_warehouse_after_t *ngx_http_warehouse_after_create(
    ngx_http_request_t *r, ngx_http_handler_pt handler, ngx_array_t *positions);
static ngx_int_t ngx_http_warehouse_after_wait(
    ngx_http_warehouse_after_t *after);
static void ngx_http_warehouse_after_cleanup(void *data);
static void ngx_http_warehouse_after_seen(
    ngx_http_warehouse_awaited_t *awaited,
    ngx_http_warehouse_reader_t *reader);
static void ngx_http_warehouse_after_go_on(
    ngx_http_warehouse_awaited_t *awaited);
static void ngx_http_warehouse_after_timeout(ngx_event_t *ev);
static void ngx_http_warehouse_after_done(ngx_http_warehouse_after_t *after,
    ngx_int_t rc);


/* the topic that the daemon reads */
static ngx_str_t  ngx_http_warehouse_after_any = ngx_null_string;


static const ngx_http_warehouse_problem_t  ngx_http_warehouse_after_bad = {
    NGX_HTTP_BAD_REQUEST, "Warehouse-Min-Position is not a list of up to 256 "
    "positions: PARTITION:OFFSET, between commas", NULL, NULL, 0, NULL
};

static const ngx_http_warehouse_problem_t  ngx_http_warehouse_after_crowd = {
    NGX_HTTP_SERVICE_UNAVAILABLE, "too many requests are waiting", NULL, NULL,
    1, NULL
};


ngx_int_t
ngx_http_warehouse_after(ngx_http_request_t *r, ngx_http_handler_pt handler)
{
    ngx_int_t                       rc;
    ngx_array_t                     positions;
    ngx_http_warehouse_after_t     *after;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    switch (ngx_http_warehouse_read_positions(r, &positions)) {

    case NGX_OK:
        break;

    case NGX_DONE:
        return handler(r);

    case NGX_DECLINED:
        return ngx_http_warehouse_problem(r, &ngx_http_warehouse_after_bad);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_warehouse_follow_enter(r);

    if (rc == NGX_DECLINED) {
        return ngx_http_warehouse_problem(r, &ngx_http_warehouse_after_crowd);
    }

    after = (rc == NGX_OK)
            ? ngx_http_warehouse_after_create(r, handler, &positions) : NULL;

    if (after == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_warehouse_after_wait(after) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    ngx_add_timer(&after->timer,
                  ngx_max(wlcf->wait, NGX_HTTP_WAREHOUSE_AFTER_LEAST));

    r->main->count++;

    if (!r->discard_body) {
        /* or the rest of a body would stay where it is */
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static ngx_http_warehouse_after_t *
ngx_http_warehouse_after_create(ngx_http_request_t *r,
    ngx_http_handler_pt handler, ngx_array_t *positions)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_warehouse_after_t  *after;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_warehouse_after_t));
    if (cln == NULL) {
        return NULL;
    }

    after = cln->data;
    ngx_memzero(after, sizeof(ngx_http_warehouse_after_t));

    cln->handler = ngx_http_warehouse_after_cleanup;

    after->request = r;
    after->handler = handler;
    after->positions = positions->elts;
    after->n = positions->nelts;

    after->awaited.seen = ngx_http_warehouse_after_seen;
    after->awaited.handler = ngx_http_warehouse_after_go_on;
    after->awaited.data = after;

    after->timer.handler = ngx_http_warehouse_after_timeout;
    after->timer.data = after;
    after->timer.log = r->connection->log;

    return after;
}


/* For one of them at a time, however many it names. */

static ngx_int_t
ngx_http_warehouse_after_wait(ngx_http_warehouse_after_t *after)
{
    wh_position_t                  *position;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(after->request,
                                        ngx_http_warehouse_module);
    position = &after->positions[after->reached];

    after->awaited.offset = position->offset;

    return ngx_http_warehouse_watch_await(ngx_http_warehouse_db_watch(wlcf->db),
                                          &ngx_http_warehouse_after_any,
                                          position->partition,
                                          &after->awaited);
}


static void
ngx_http_warehouse_after_cleanup(void *data)
{
    ngx_http_warehouse_after_t *after = data;

    ngx_http_warehouse_watch_cancel(&after->awaited);

    if (after->timer.timer_set) {
        ngx_del_timer(&after->timer);
    }
}


/* Others may have been reached before. */

static void
ngx_http_warehouse_after_seen(ngx_http_warehouse_awaited_t *awaited,
    ngx_http_warehouse_reader_t *reader)
{
    int64_t                      next;
    wh_position_t               *position;
    ngx_http_warehouse_after_t  *after;

    after = awaited->data;

    while (++after->reached < after->n) {
        position = &after->positions[after->reached];

        if (ngx_http_warehouse_outcomes_next(reader,
                                             &ngx_http_warehouse_after_any,
                                             position->partition, &next)
            != NGX_OK
            || position->offset >= next)
        {
            /* what cannot be read now is waited for, too */
            return;
        }
    }
}


static void
ngx_http_warehouse_after_go_on(ngx_http_warehouse_awaited_t *awaited)
{
    ngx_http_warehouse_after_t  *after;

    after = awaited->data;

    if (after->reached == after->n) {
        ngx_http_warehouse_after_done(after, NGX_OK);

    } else if (ngx_http_warehouse_after_wait(after) != NGX_OK) {
        ngx_http_warehouse_after_done(after, NGX_ERROR);
    }
}


static void
ngx_http_warehouse_after_timeout(ngx_event_t *ev)
{
    ngx_http_warehouse_after_done(ev->data, NGX_BUSY);
}


static void
ngx_http_warehouse_after_done(ngx_http_warehouse_after_t *after, ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    static const ngx_http_warehouse_problem_t  late = {
        NGX_HTTP_SERVICE_UNAVAILABLE, "the commands of Warehouse-Min-Position "
        "are not processed yet", NULL, NULL, 1, NULL
    };

    r = after->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_warehouse_after_cleanup(after);
    ngx_http_warehouse_follow_exit(r);

    ngx_http_finalize_request(r, (rc == NGX_OK) ? after->handler(r)
                                 : (rc == NGX_BUSY)
                                 ? ngx_http_warehouse_problem(r, &late)
                                 : NGX_HTTP_INTERNAL_SERVER_ERROR);
    ngx_http_run_posted_requests(c);
}
