#include "ngx_http_warehouse_follow.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_crowd.h"
#include "ngx_http_warehouse_outcome.h"
#include "ngx_http_warehouse_outcomes.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_request.h"
#include "ngx_http_warehouse_zone.h"


static void ngx_http_warehouse_follow_leave(void *data);
static void ngx_http_warehouse_follow_cleanup(void *data);
static void ngx_http_warehouse_follow_seen(
    ngx_http_warehouse_awaited_t *awaited,
    ngx_http_warehouse_reader_t *reader);
static void ngx_http_warehouse_follow_told(
    ngx_http_warehouse_awaited_t *awaited);
static void ngx_http_warehouse_follow_timeout(ngx_event_t *ev);
static void ngx_http_warehouse_follow_done(ngx_http_warehouse_follow_t *f);


ngx_int_t
ngx_http_warehouse_follow_wanted(ngx_http_request_t *r)
{
    int32_t                         seconds;
    ngx_http_warehouse_ctx_t       *ctx;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    if (wlcf->db == NULL || wlcf->wait == 0) {
        return NGX_OK;
    }

    seconds = ngx_http_warehouse_read_wait(r);

    if (seconds <= 0) {
        return NGX_OK;
    }

    ctx = ngx_http_warehouse_get_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->wait = ngx_min(wlcf->wait, (ngx_msec_t) seconds * 1000);

    return ngx_http_warehouse_follow_enter(r);
}


ngx_int_t
ngx_http_warehouse_follow_enter(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t              *cln;
    ngx_http_warehouse_ctx_t        *ctx;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);

    if (ngx_http_warehouse_slot->following >= wmcf->max_waiting) {
        ngx_http_warehouse_count(unfollowed);
        return NGX_DECLINED;
    }

    ctx = ngx_http_warehouse_get_ctx(r);
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (ctx == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    /* an internal redirect takes the context away, not its memory */

    cln->handler = ngx_http_warehouse_follow_leave;
    cln->data = ctx;

    ctx->following = 1;

    ngx_http_warehouse_slot->following++;
    ngx_http_warehouse_crowd(ngx_http_warehouse_slot->following);

    return NGX_OK;
}


static void
ngx_http_warehouse_follow_leave(void *data)
{
    ngx_http_warehouse_ctx_t *ctx = data;

    if (ctx->following) {
        ctx->following = 0;
        ngx_http_warehouse_slot->following--;
    }
}


void
ngx_http_warehouse_follow_exit(ngx_http_request_t *r)
{
    ngx_http_warehouse_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    if (ctx != NULL) {
        ngx_http_warehouse_follow_leave(ctx);
    }
}


void
ngx_http_warehouse_follow_cancel(ngx_http_warehouse_follow_t *f)
{
    ngx_http_warehouse_follow_cleanup(f);
}


ngx_int_t
ngx_http_warehouse_follow_applied(ngx_http_request_t *r)
{
    ngx_str_t                  value;
    ngx_http_warehouse_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    value.data = ngx_pnalloc(r->pool, sizeof("wait=") + NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "wait=%M", (ctx->wait + 999) / 1000)
                - value.data;

    return ngx_http_warehouse_add_header(r, "Preference-Applied", &value);
}


ngx_http_warehouse_follow_t *
ngx_http_warehouse_follow_create(ngx_http_request_t *r, ngx_str_t *topic,
    ngx_uint_t n, void (*handler)(ngx_http_warehouse_follow_t *f))
{
    ngx_uint_t                    i;
    ngx_pool_cleanup_t           *cln;
    ngx_http_warehouse_follow_t  *f;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_warehouse_follow_t));
    if (cln == NULL) {
        return NULL;
    }

    f = cln->data;
    ngx_memzero(f, sizeof(ngx_http_warehouse_follow_t));

    f->commands = ngx_pcalloc(r->pool,
                              n * sizeof(ngx_http_warehouse_followed_t));
    if (f->commands == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_warehouse_follow_cleanup;

    f->request = r;
    f->topic = *topic;
    f->n = n;
    f->handler = handler;

    f->timer.handler = ngx_http_warehouse_follow_timeout;
    f->timer.data = f;
    f->timer.log = r->connection->log;

    for (i = 0; i < n; i++) {
        f->commands[i].follow = f;
        f->commands[i].told = NGX_HTTP_WAREHOUSE_UNTOLD;
    }

    return f;
}


static void
ngx_http_warehouse_follow_cleanup(void *data)
{
    ngx_http_warehouse_follow_t *f = data;

    ngx_uint_t  i;

    for (i = 0; f->pending > 0 && i < f->n; i++) {
        ngx_http_warehouse_watch_cancel(&f->commands[i].awaited);
    }

    f->pending = 0;

    if (f->timer.timer_set) {
        ngx_del_timer(&f->timer);
    }
}


ngx_int_t
ngx_http_warehouse_follow_add(ngx_http_warehouse_follow_t *f, ngx_uint_t i,
    const ngx_str_t *value, int32_t partition, int64_t offset)
{
    ngx_http_warehouse_loc_conf_t  *wlcf;
    ngx_http_warehouse_followed_t  *command;

    wlcf = ngx_http_get_module_loc_conf(f->request, ngx_http_warehouse_module);
    command = &f->commands[i];

    command->value = *value;
    command->told = NGX_HTTP_WAREHOUSE_PENDING;
    command->awaited.offset = offset;
    command->awaited.seen = ngx_http_warehouse_follow_seen;
    command->awaited.handler = ngx_http_warehouse_follow_told;
    command->awaited.data = command;

    if (ngx_http_warehouse_watch_await(ngx_http_warehouse_db_watch(wlcf->db),
                                       &f->topic, partition,
                                       &command->awaited)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    f->pending++;

    return NGX_OK;
}


void
ngx_http_warehouse_follow_wait(ngx_http_warehouse_follow_t *f)
{
    ngx_http_warehouse_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(f->request, ngx_http_warehouse_module);

    /* none that is cancelable: a worker that shuts down stays for the answer */

    ngx_add_timer(&f->timer, f->pending ? ctx->wait : 0);
}


/*
 * In the transaction that shows the command as processed.  Where the topic's end
 * went back (it was recreated), there was another one at its position before.
 */

static void
ngx_http_warehouse_follow_seen(ngx_http_warehouse_awaited_t *awaited,
    ngx_http_warehouse_reader_t *reader)
{
    wh_kept_t                       kept;
    ngx_http_warehouse_follow_t    *f;
    ngx_http_warehouse_followed_t  *command;

    command = awaited->data;
    f = command->follow;

    command->told = NGX_HTTP_WAREHOUSE_UNTOLD;

    if (ngx_http_warehouse_outcomes_find(reader, &f->topic,
                                    ngx_http_warehouse_watch_partition(awaited),
                                    awaited->offset, &kept)
        == NGX_OK
        && ngx_http_warehouse_outcome_is_of(&kept, &command->value)
        && ngx_http_warehouse_outcome_first(f->request, reader, &f->topic,
                                            &kept, &command->members)
           == NGX_OK)
    {
        command->verdict = kept.verdict;
        command->told = NGX_HTTP_WAREHOUSE_TOLD;
    }
}


static void
ngx_http_warehouse_follow_told(ngx_http_warehouse_awaited_t *awaited)
{
    ngx_http_warehouse_followed_t  *command;

    command = awaited->data;

    if (--command->follow->pending == 0) {
        ngx_http_warehouse_follow_done(command->follow);
    }
}


static void
ngx_http_warehouse_follow_timeout(ngx_event_t *ev)
{
    ngx_http_warehouse_follow_done(ev->data);
}


static void
ngx_http_warehouse_follow_done(ngx_http_warehouse_follow_t *f)
{
    ngx_connection_t  *c;

    c = f->request->connection;

    ngx_http_set_log_request(c->log, f->request);

    ngx_http_warehouse_follow_cleanup(f);

    f->handler(f);

    ngx_http_run_posted_requests(c);
}
