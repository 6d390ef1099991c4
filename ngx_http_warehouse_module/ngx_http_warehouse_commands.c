#include "ngx_http_warehouse_headers.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_producer.h"
#include "wh_command.h"


/* how much later than message.timeout.ms a delivery report may come, ms */
#define NGX_HTTP_WAREHOUSE_GUARD  2000


static void ngx_http_warehouse_commands_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_commands_read(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_http_warehouse_commands_produce(ngx_http_request_t *r,
    ngx_str_t *body, wh_command_t *command);
static ngx_int_t ngx_http_warehouse_commands_wait(ngx_http_request_t *r,
    ngx_http_warehouse_ctx_t *ctx);
static void ngx_http_warehouse_commands_cleanup(void *data);
static void ngx_http_warehouse_commands_guard(ngx_event_t *ev);
static void ngx_http_warehouse_commands_release(
    ngx_http_warehouse_ctx_t *ctx);
static void ngx_http_warehouse_commands_finish(ngx_http_request_t *r,
    ngx_int_t rc);
static ngx_int_t ngx_http_warehouse_commands_accepted(ngx_http_request_t *r,
    int32_t partition, int64_t offset);


ngx_int_t
ngx_http_warehouse_commands_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "\"warehouse_commands\" does not serve subrequests");
        return NGX_HTTP_FORBIDDEN;
    }

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_warehouse_not_allowed(r, "POST");
    }

    rc = ngx_http_warehouse_check_media(r);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_warehouse_read_key(r);
    }

    if (rc != NGX_DECLINED) {
        return rc;
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_warehouse_commands_body);

    if (rc == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE) {

        /* what is left of the body must not be taken for the next request */
        r->keepalive = 0;

        return ngx_http_warehouse_problem(r, rc, "the body is larger than "
                                          "client_max_body_size", NULL);
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_warehouse_commands_body(ngx_http_request_t *r)
{
    int           rc;
    char          sku[WH_SKU_MAX + 1];
    ngx_str_t     body;
    wh_error_t    err;
    wh_command_t  command;

    if (ngx_http_warehouse_commands_read(r, &body) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    rc = wh_command_decode((char *) body.data, body.len, &command, sku, &err);

    switch (rc) {

    case WH_OK:
        rc = ngx_http_warehouse_commands_produce(r, &body, &command);

        if (rc == NGX_DONE) {
            return;
        }

        break;

    case WH_EJSON:
        rc = ngx_http_warehouse_problem(r, NGX_HTTP_BAD_REQUEST, err.text,
                                        err.pointer);
        break;

    case WH_ECOMMAND:
        rc = ngx_http_warehouse_problem(r, NGX_HTTP_WAREHOUSE_UNPROCESSABLE,
                                        err.text, err.pointer);
        break;

    default:
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        break;
    }

    ngx_http_finalize_request(r, rc);
}


/* The body in one piece, wherever nginx has put it.  NGX_OK, NGX_ERROR. */

static ngx_int_t
ngx_http_warehouse_commands_read(ngx_http_request_t *r, ngx_str_t *body)
{
    u_char       *p;
    size_t        size;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ngx_str_set(body, "");

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL && !cl->buf->in_file) {
        body->data = cl->buf->pos;
        body->len = cl->buf->last - cl->buf->pos;
        return NGX_OK;
    }

    size = 0;

    for ( /* void */ ; cl; cl = cl->next) {
        size += (size_t) ngx_buf_size(cl->buf);
    }

    body->data = ngx_pnalloc(r->pool, size);
    if (body->data == NULL) {
        return NGX_ERROR;
    }

    p = body->data;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        if (ngx_buf_size(b) == 0) {
            /* the end of a chunked body; its pointers may be NULL */
            continue;
        }

        if (!b->in_file) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        size = (size_t) (b->file_last - b->file_pos);
        n = ngx_read_file(b->file, p, size, b->file_pos);

        if (n != (ssize_t) size) {
            return NGX_ERROR;
        }

        p += n;
    }

    body->len = p - body->data;

    return NGX_OK;
}


/* NGX_DONE: waiting for the report; otherwise what finishes the request. */

static ngx_int_t
ngx_http_warehouse_commands_produce(ngx_http_request_t *r, ngx_str_t *body,
    wh_command_t *command)
{
    ngx_int_t                        rc;
    ngx_str_t                        key;
    ngx_http_warehouse_ctx_t        *ctx;
    ngx_http_warehouse_loc_conf_t   *wlcf;
    ngx_http_warehouse_main_conf_t  *wmcf;

    ctx = ngx_http_warehouse_get_ctx(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_warehouse_commands_wait(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);
    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    key.data = (u_char *) command->sku;
    key.len = command->sku_len;

    rc = ngx_http_warehouse_produce(wmcf, wlcf->topic, body, &key,
                                    &ctx->idempotency_key, r, &ctx->pending);

    switch (rc) {

    case NGX_OK:
#if (NGX_HTTP_WAREHOUSE_FORGET)
        /* for script/bench only: not to wait for the brokers */
        ngx_http_warehouse_commands_release(ctx);
        return ngx_http_warehouse_commands_accepted(r, 0, -1);
#endif
        ngx_add_timer(&ctx->guard, wmcf->timeout + NGX_HTTP_WAREHOUSE_GUARD);
        return NGX_DONE;

    case NGX_DECLINED:
        return ngx_http_warehouse_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                          "the body is larger than Kafka's "
                                          "message.max.bytes", NULL);

    case NGX_BUSY:
        return ngx_http_warehouse_unavailable(r, "too many commands are "
                                              "waiting; this one was not "
                                              "written", 1);
    default:
        return ngx_http_warehouse_unavailable(r, "commands cannot be taken "
                                              "now; this one was not written",
                                              !wmcf->denied);
    }
}


/* Sets up what ends the wait, before there is anything to wait for. */

static ngx_int_t
ngx_http_warehouse_commands_wait(ngx_http_request_t *r,
    ngx_http_warehouse_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_warehouse_commands_cleanup;
    cln->data = ctx;

    /*
     * The timer keeps a worker that shuts down alive for the answer: nginx
     * leaves when only cancelable timers remain.
     */

    ctx->guard.handler = ngx_http_warehouse_commands_guard;
    ctx->guard.data = r;
    ctx->guard.log = r->connection->log;

    /*
     * A client that goes away in the meantime is not looked for: the command
     * is under way, and the access log is to say what became of it.
     */

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_OK;
}


static void
ngx_http_warehouse_commands_cleanup(void *data)
{
    ngx_http_warehouse_commands_release(data);
}


/* Parts the request from its message: the report will find nobody. */

static void
ngx_http_warehouse_commands_release(ngx_http_warehouse_ctx_t *ctx)
{
    if (ctx->pending != NULL) {
        ctx->pending->request = NULL;
        ctx->pending = NULL;
    }

    if (ctx->guard.timer_set) {
        ngx_del_timer(&ctx->guard);
    }
}


static void
ngx_http_warehouse_commands_guard(ngx_event_t *ev)
{
    ngx_http_request_t              *r;
    ngx_http_warehouse_ctx_t        *ctx;
    ngx_http_warehouse_main_conf_t  *wmcf;

    r = ev->data;
    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);
    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);

    ngx_http_warehouse_commands_release(ctx);
    ngx_http_warehouse_producer_failed(wmcf, "no delivery report in time");

    ngx_http_warehouse_commands_done(r, NGX_HTTP_WAREHOUSE_UNKNOWN, 0, -1);
}


void
ngx_http_warehouse_commands_done(ngx_http_request_t *r,
    ngx_http_warehouse_outcome_e outcome, int32_t partition, int64_t offset)
{
    ngx_int_t                  rc;
    ngx_http_warehouse_ctx_t  *ctx;

    ngx_http_set_log_request(r->connection->log, r);

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    /* the message was freed with its report, or is left to it */

    ctx->pending = NULL;
    ngx_http_warehouse_commands_release(ctx);

    switch (outcome) {

    case NGX_HTTP_WAREHOUSE_PERSISTED:
        rc = ngx_http_warehouse_commands_accepted(r, partition, offset);
        break;

    case NGX_HTTP_WAREHOUSE_NOT_PERSISTED:
    case NGX_HTTP_WAREHOUSE_DENIED:
        rc = ngx_http_warehouse_unavailable(r, "commands cannot be taken now; "
                                            "this one was not written",
                                            outcome
                                            != NGX_HTTP_WAREHOUSE_DENIED);
        break;

    case NGX_HTTP_WAREHOUSE_TOO_LARGE:
        rc = ngx_http_warehouse_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                        "the body is larger than the brokers "
                                        "accept", NULL);
        break;

    default:
        rc = ngx_http_warehouse_problem(r, NGX_HTTP_GATEWAY_TIME_OUT,
                                        "the brokers did not answer in time; "
                                        "the command may have been written",
                                        NULL);
        break;
    }

    ngx_http_warehouse_commands_finish(r, rc);
}


static void
ngx_http_warehouse_commands_finish(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_warehouse_commands_accepted(ngx_http_request_t *r, int32_t partition,
    int64_t offset)
{
    u_char                    *p;
    ngx_int_t                  rc;
    ngx_buf_t                 *b;
    ngx_chain_t                out;
    ngx_http_warehouse_ctx_t  *ctx;

    static u_char  accepted[] = "{\"status\":\"accepted\"}";

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    /*
     * A message that was written by a try whose answer got lost has no known
     * offset; then there is no header.
     */

    if (offset >= 0) {
        p = ngx_pnalloc(r->pool, NGX_INT32_LEN + 1 + NGX_INT64_LEN);
        if (p == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->position.data = p;
        ctx->position.len = ngx_sprintf(p, "%D:%L", partition, offset) - p;

        if (ngx_http_warehouse_add_header(r, "Warehouse-Position",
                                          &ctx->position)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = sizeof(accepted) - 1;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    /* If-None-Match and its kind would turn what was written into a 412 */
    r->disable_not_modified = 1;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = accepted;
    b->last = accepted + sizeof(accepted) - 1;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
