#include "ngx_http_warehouse_commands.h"
#include "ngx_http_warehouse_body.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_crowd.h"
#include "ngx_http_warehouse_entry.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_producers.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_request.h"
#include "wh_command.h"

#include <time.h>


/* how much later than message.timeout.ms a delivery report may come, ms */
#define NGX_HTTP_WAREHOUSE_GUARD  2000


/* A request that waits for the delivery report of its command. */

typedef struct {
    ngx_http_request_t           *request;
    ngx_http_warehouse_waiter_t   waiter;
    ngx_event_t                   guard;
    struct timespec               begun;
    unsigned                      waiting:1;      /* is counted */
} ngx_http_warehouse_wait_t;


static ngx_uint_t ngx_http_warehouse_commands_crowded(ngx_http_request_t *r);
static void ngx_http_warehouse_commands_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_commands_malformed(ngx_http_request_t *r,
    int rc, const wh_error_t *err);
static ngx_int_t ngx_http_warehouse_commands_produce(ngx_http_request_t *r,
    ngx_str_t *body, wh_command_t *command);
static ngx_http_warehouse_wait_t *ngx_http_warehouse_commands_wait(
    ngx_http_request_t *r);
static void ngx_http_warehouse_commands_cleanup(void *data);
static void ngx_http_warehouse_commands_release(
    ngx_http_warehouse_wait_t *wait);
static void ngx_http_warehouse_commands_guard(ngx_event_t *ev);
static void ngx_http_warehouse_commands_done(void *data,
    const ngx_http_warehouse_report_t *report);
static void ngx_http_warehouse_commands_measure(
    const ngx_http_warehouse_wait_t *wait);
static ngx_int_t ngx_http_warehouse_commands_accepted(ngx_http_request_t *r,
    const ngx_http_warehouse_report_t *report);
static ngx_int_t ngx_http_warehouse_commands_failed(ngx_http_request_t *r,
    ngx_http_warehouse_fate_e fate);


/* What a client is told, by what became of its command. */

static const ngx_http_warehouse_problem_t  ngx_http_warehouse_fates[] = {

    [NGX_HTTP_WAREHOUSE_NOT_PERSISTED] = {
        NGX_HTTP_SERVICE_UNAVAILABLE,
        "commands cannot be taken now; this one was not written",
        NULL, NULL, 1 },

    [NGX_HTTP_WAREHOUSE_BUSY] = {
        NGX_HTTP_SERVICE_UNAVAILABLE,
        "too many commands are waiting; this one was not written",
        NULL, NULL, 1 },

    [NGX_HTTP_WAREHOUSE_DENIED] = {
        NGX_HTTP_SERVICE_UNAVAILABLE,
        "commands cannot be taken now; this one was not written",
        NULL, NULL, 0 },

    [NGX_HTTP_WAREHOUSE_TOO_LARGE] = {
        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
        "the body is larger than the brokers accept",
        NULL, NULL, 0 },

    [NGX_HTTP_WAREHOUSE_TOO_LARGE_HERE] = {
        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
        "the body is larger than Kafka's message.max.bytes",
        NULL, NULL, 0 },

    [NGX_HTTP_WAREHOUSE_UNKNOWN] = {
        NGX_HTTP_GATEWAY_TIME_OUT,
        "the brokers did not answer in time; the command may have been written",
        NULL, NULL, 0 },
};


ngx_int_t
ngx_http_warehouse_commands_handler(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_http_warehouse_problem_t  problem;

    static const ngx_http_warehouse_problem_t  not_allowed = {
        NGX_HTTP_NOT_ALLOWED, "the method is not allowed here", NULL,
        "POST", 0
    };

    static const ngx_http_warehouse_problem_t  too_large = {
        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
        "the body is larger than client_max_body_size", NULL, NULL, 0
    };

    rc = ngx_http_warehouse_enter(r, NGX_HTTP_WAREHOUSE_SERVE_COMMANDS);
    if (rc != NGX_OK) {
        return rc;
    }

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_warehouse_problem(r, &not_allowed);
    }

    if (ngx_http_warehouse_commands_crowded(r)) {
        ngx_http_warehouse_count(overload);
        return ngx_http_warehouse_problem(r,
                       &ngx_http_warehouse_fates[NGX_HTTP_WAREHOUSE_BUSY]);
    }

    if (ngx_http_warehouse_check_media(r, &problem) != NGX_OK
        || ngx_http_warehouse_read_key(r, &problem) != NGX_OK)
    {
        return ngx_http_warehouse_problem(r, &problem);
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                           ngx_http_warehouse_commands_body);

    if (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {

        /* what is left of the body must not be taken for the next request */
        r->keepalive = 0;

        return ngx_http_warehouse_problem(r, &too_large);
    }

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


/*
 * Whether as many wait as may, or as librdkafka's queue takes: before anything
 * is allocated for one more.
 */

static ngx_uint_t
ngx_http_warehouse_commands_crowded(ngx_http_request_t *r)
{
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);

    return ngx_http_warehouse_slot->waiting >= wmcf->max_inflight
           || ngx_http_warehouse_slot->queue >= wmcf->kafka.queue;
}


static void
ngx_http_warehouse_commands_body(ngx_http_request_t *r)
{
    int           rc;
    char          sku[WH_SKU_MAX + 1];
    ngx_str_t     body;
    wh_error_t    err;
    wh_command_t  command;

    if (ngx_http_warehouse_body(r, &body) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    rc = wh_command_decode((char *) body.data, body.len, &command, sku, &err);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "warehouse: command of %uz bytes: %d", body.len, rc);

    if (rc != WH_OK) {
        ngx_http_finalize_request(r,
                             ngx_http_warehouse_commands_malformed(r, rc,
                                                                   &err));
        return;
    }

    rc = ngx_http_warehouse_commands_produce(r, &body, &command);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_http_warehouse_commands_malformed(ngx_http_request_t *r, int rc,
    const wh_error_t *err)
{
    ngx_http_warehouse_problem_t  problem;

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    switch (rc) {

    case WH_EJSON:
        problem.status = NGX_HTTP_BAD_REQUEST;
        break;

    case WH_ECOMMAND:
        problem.status = NGX_HTTP_WAREHOUSE_UNPROCESSABLE;
        break;

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    problem.detail = err->text;
    problem.pointer = err->pointer;

    return ngx_http_warehouse_problem(r, &problem);
}


/* NGX_DONE: waiting for the report; otherwise what finishes the request. */

static ngx_int_t
ngx_http_warehouse_commands_produce(ngx_http_request_t *r, ngx_str_t *body,
    wh_command_t *command)
{
    ngx_http_warehouse_ctx_t        *ctx;
    ngx_http_warehouse_wait_t       *wait;
    ngx_http_warehouse_fate_e        fate;
    ngx_http_warehouse_message_t     message;
    ngx_http_warehouse_loc_conf_t   *wlcf;
    ngx_http_warehouse_main_conf_t  *wmcf;

    /* bodies may have come side by side */

    if (ngx_http_warehouse_commands_crowded(r)) {
        ngx_http_warehouse_count(overload);
        return ngx_http_warehouse_commands_failed(r, NGX_HTTP_WAREHOUSE_BUSY);
    }

    ctx = ngx_http_warehouse_get_ctx(r);
    wait = ngx_http_warehouse_commands_wait(r);

    if (ctx == NULL || wait == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);
    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    (void) clock_gettime(CLOCK_MONOTONIC, &wait->begun);

    message.topic = (ngx_uint_t) wlcf->topic;
    message.value = *body;
    message.key.data = (u_char *) command->sku;
    message.key.len = command->sku_len;
    message.idempotency_key = ctx->idempotency_key;

    if (ngx_http_warehouse_produce(&wmcf->producers, &message, &wait->waiter,
                                   &fate)
        != NGX_OK)
    {
        return ngx_http_warehouse_commands_failed(r, fate);
    }

    wait->waiting = 1;
    ngx_http_warehouse_slot->waiting++;
    ngx_http_warehouse_crowd(ngx_http_warehouse_slot->waiting);

    ngx_add_timer(&wait->guard, wmcf->kafka.timeout
                                + NGX_HTTP_WAREHOUSE_GUARD);

    return NGX_DONE;
}


/*
 * Sets up what ends the wait, before there is anything to wait for.  NULL: out
 * of memory.
 */

static ngx_http_warehouse_wait_t *
ngx_http_warehouse_commands_wait(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_warehouse_wait_t  *wait;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_warehouse_wait_t));
    if (cln == NULL) {
        return NULL;
    }

    wait = cln->data;
    ngx_memzero(wait, sizeof(ngx_http_warehouse_wait_t));

    cln->handler = ngx_http_warehouse_commands_cleanup;

    wait->request = r;
    wait->waiter.handler = ngx_http_warehouse_commands_done;
    wait->waiter.data = wait;

    /*
     * The timer keeps a worker that shuts down alive for the answer: nginx
     * leaves when only cancelable timers remain.
     */

    wait->guard.handler = ngx_http_warehouse_commands_guard;
    wait->guard.data = wait;
    wait->guard.log = r->connection->log;

    /*
     * A client that goes away in the meantime is not looked for: the command
     * is under way, and the access log is to say what became of it.
     */

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return wait;
}


static void
ngx_http_warehouse_commands_cleanup(void *data)
{
    ngx_http_warehouse_commands_release(data);
}


static void
ngx_http_warehouse_commands_release(ngx_http_warehouse_wait_t *wait)
{
    ngx_http_warehouse_forget(&wait->waiter);

    if (wait->waiting) {
        wait->waiting = 0;
        ngx_http_warehouse_slot->waiting--;
    }

    if (wait->guard.timer_set) {
        ngx_del_timer(&wait->guard);
    }
}


static void
ngx_http_warehouse_commands_guard(ngx_event_t *ev)
{
    ngx_http_warehouse_wait_t       *wait;
    ngx_http_warehouse_report_t      report;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wait = ev->data;
    wmcf = ngx_http_get_module_main_conf(wait->request,
                                         ngx_http_warehouse_module);

    ngx_http_warehouse_outage_more(&wmcf->producers.outage,
                                   "no delivery report in time");

    ngx_memzero(&report, sizeof(ngx_http_warehouse_report_t));
    report.fate = NGX_HTTP_WAREHOUSE_UNKNOWN;

    ngx_http_warehouse_commands_done(wait, &report);
}


static void
ngx_http_warehouse_commands_done(void *data,
    const ngx_http_warehouse_report_t *report)
{
    ngx_http_warehouse_wait_t *wait = data;

    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = wait->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_warehouse_commands_release(wait);

    if (report->fate == NGX_HTTP_WAREHOUSE_PERSISTED) {
        ngx_http_warehouse_commands_measure(wait);
        rc = ngx_http_warehouse_commands_accepted(r, report);

    } else {
        rc = ngx_http_warehouse_commands_failed(r, report->fate);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_warehouse_commands_measure(const ngx_http_warehouse_wait_t *wait)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    ngx_http_warehouse_count_latency(
                          (int64_t) (now.tv_sec - wait->begun.tv_sec) * 1000000
                          + (now.tv_nsec - wait->begun.tv_nsec) / 1000);
}


static ngx_int_t
ngx_http_warehouse_commands_accepted(ngx_http_request_t *r,
    const ngx_http_warehouse_report_t *report)
{
    u_char                    *p;
    ngx_http_warehouse_ctx_t  *ctx;

    static ngx_str_t  type = ngx_string("application/json");
    static ngx_str_t  accepted = ngx_string("{\"status\":\"accepted\"}");

    /*
     * A message that was written by a try whose answer got lost has no known
     * offset; then there is no header.
     */

    if (report->offset >= 0) {
        ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

        p = ngx_pnalloc(r->pool, NGX_INT32_LEN + 1 + NGX_INT64_LEN);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->position.data = p;
        ctx->position.len = ngx_sprintf(p, "%D:%L", report->partition,
                                        report->offset)
                            - p;

        if (ngx_http_warehouse_add_header(r, "Warehouse-Position",
                                          &ctx->position)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return ngx_http_warehouse_reply(r, NGX_HTTP_OK, &type, &accepted);
}


static ngx_int_t
ngx_http_warehouse_commands_failed(ngx_http_request_t *r,
    ngx_http_warehouse_fate_e fate)
{
    return ngx_http_warehouse_problem(r, &ngx_http_warehouse_fates[fate]);
}
