#include "ngx_http_warehouse_command.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_fates.h"
#include "ngx_http_warehouse_follow.h"
#include "ngx_http_warehouse_outcome.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_request.h"
#include "ngx_http_warehouse_write.h"


static ngx_int_t ngx_http_warehouse_command_malformed(ngx_http_request_t *r,
    int rc, const wh_error_t *err);
static ngx_int_t ngx_http_warehouse_command_write(ngx_http_request_t *r,
    ngx_str_t *body, wh_command_t *command);
static void ngx_http_warehouse_command_written(
    ngx_http_warehouse_write_t *write);
static ngx_int_t ngx_http_warehouse_command_position(ngx_http_request_t *r,
    const ngx_http_warehouse_report_t *report);
static ngx_int_t ngx_http_warehouse_command_follow(ngx_http_request_t *r,
    const ngx_http_warehouse_written_t *command);
static void ngx_http_warehouse_command_followed(
    ngx_http_warehouse_follow_t *follow);
static ngx_int_t ngx_http_warehouse_command_told(ngx_http_request_t *r,
    const ngx_http_warehouse_followed_t *command);
static ngx_int_t ngx_http_warehouse_command_accepted(ngx_http_request_t *r);


ngx_int_t
ngx_http_warehouse_command(ngx_http_request_t *r, ngx_str_t *body)
{
    int                             rc;
    char                            texts[WH_COMMAND_TEXTS];
    ngx_int_t                       result;
    wh_error_t                      err;
    wh_command_t                    command;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    if (body->len > wlcf->command_size) {
        return ngx_http_warehouse_command_too_large(r);
    }

    rc = wh_command_decode((char *) body->data, body->len, &command, texts,
                           &err);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "warehouse: command of %uz bytes: %d", body->len, rc);

    if (rc != WH_OK) {
        return ngx_http_warehouse_command_malformed(r, rc, &err);
    }

    if (wh_command_conditional(&command)) {
        result = ngx_http_warehouse_command_conditions(r);

        if (result != NGX_DECLINED) {
            return result;
        }
    }

    return ngx_http_warehouse_command_write(r, body, &command);
}


ngx_int_t
ngx_http_warehouse_command_too_large(ngx_http_request_t *r)
{
    static const ngx_http_warehouse_problem_t  problem = {
        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
        "the body is larger than a command may be", NULL, NULL, 0, NULL
    };

    return ngx_http_warehouse_problem(r, &problem);
}


static ngx_int_t
ngx_http_warehouse_command_malformed(ngx_http_request_t *r, int rc,
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


/* A daemon that does not know of them would apply the command all the same. */

ngx_int_t
ngx_http_warehouse_command_conditions(ngx_http_request_t *r)
{
    ngx_http_warehouse_refusal_t    refusal;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    static const ngx_http_warehouse_problem_t  unknown = {
        NGX_HTTP_SERVICE_UNAVAILABLE, "conditions are not taken here: there is "
        "no database that says that they are understood", NULL, NULL, 0, NULL
    };

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    if (wlcf->db == NULL) {
        return ngx_http_warehouse_problem(r, &unknown);
    }

    switch (ngx_http_warehouse_db_understands(wlcf->db, &refusal)) {

    case NGX_OK:
        return NGX_DECLINED;

    case NGX_DECLINED:
        return ngx_http_warehouse_problem(r, &unknown);

    default:
        return ngx_http_warehouse_refused(r, &refusal);
    }
}


void
ngx_http_warehouse_command_message(ngx_http_request_t *r,
    ngx_http_warehouse_message_t *message)
{
    ngx_http_warehouse_ctx_t       *ctx;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);
    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    message->topic = (ngx_uint_t) wlcf->topic;
    message->idempotency_key = ctx->idempotency_key;

    ngx_http_warehouse_read_trace(r, &message->traceparent,
                                  &message->tracestate);
}


static ngx_int_t
ngx_http_warehouse_command_write(ngx_http_request_t *r, ngx_str_t *body,
    wh_command_t *command)
{
    ngx_http_warehouse_write_t    *write;
    ngx_http_warehouse_message_t   message;

    /* bodies may have come side by side */

    if (ngx_http_warehouse_write_crowded(r, 1)) {
        ngx_http_warehouse_count(overload);
        return ngx_http_warehouse_problem(r,
                     ngx_http_warehouse_fate_problem(NGX_HTTP_WAREHOUSE_BUSY));
    }

    if (ngx_http_warehouse_get_ctx(r) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    write = ngx_http_warehouse_write_create(r, 1,
                                          ngx_http_warehouse_command_written);
    if (write == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_warehouse_command_message(r, &message);

    message.value = *body;
    message.key.data = (u_char *) command->sku;
    message.key.len = command->sku_len;

    if (ngx_http_warehouse_write_send(write, 0, &message) != NGX_OK) {
        return ngx_http_warehouse_problem(r,
                           ngx_http_warehouse_fate_problem(
                                            write->commands[0].report.fate));
    }

    return ngx_http_warehouse_write_wait(write);
}


static void
ngx_http_warehouse_command_written(ngx_http_warehouse_write_t *write)
{
    ngx_int_t                     rc;
    ngx_http_request_t           *r;
    ngx_http_warehouse_ctx_t     *ctx;
    ngx_http_warehouse_report_t  *report;

    r = write->request;
    report = &write->commands[0].report;
    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    if (report->fate != NGX_HTTP_WAREHOUSE_PERSISTED) {
        rc = ngx_http_warehouse_problem(r,
                               ngx_http_warehouse_fate_problem(report->fate));

    } else if (ngx_http_warehouse_command_position(r, report) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else if (ctx->wait > 0 && report->offset >= 0) {
        rc = ngx_http_warehouse_command_follow(r, &write->commands[0]);

    } else {
        rc = ngx_http_warehouse_command_accepted(r);
    }

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/*
 * A message that was written by a try whose answer got lost has no known
 * offset; then there is no header.
 */

static ngx_int_t
ngx_http_warehouse_command_position(ngx_http_request_t *r,
    const ngx_http_warehouse_report_t *report)
{
    u_char     *p;
    ngx_str_t   position;

    if (report->offset < 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, WH_POSITION_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    position.data = p;
    position.len = ngx_sprintf(p, "%D:%L", report->partition, report->offset)
                   - p;

    return ngx_http_warehouse_add_header(r, NGX_HTTP_WAREHOUSE_POSITION,
                                         &position);
}


static ngx_int_t
ngx_http_warehouse_command_follow(ngx_http_request_t *r,
    const ngx_http_warehouse_written_t *command)
{
    ngx_http_warehouse_follow_t  *follow;

    follow = ngx_http_warehouse_follow_create(r,
                                          ngx_http_warehouse_commands_topic(r),
                                          1,
                                          ngx_http_warehouse_command_followed);

    if (follow == NULL
        || ngx_http_warehouse_follow_add(follow, 0, &command->value,
                                         command->report.partition,
                                         command->report.offset)
           != NGX_OK)
    {
        return ngx_http_warehouse_command_accepted(r);
    }

    ngx_http_warehouse_follow_wait(follow);

    return NGX_DONE;
}


static void
ngx_http_warehouse_command_followed(ngx_http_warehouse_follow_t *follow)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = follow->request;

    if (ngx_http_warehouse_follow_applied(r) != NGX_OK) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else if (follow->commands[0].told == NGX_HTTP_WAREHOUSE_TOLD) {
        rc = ngx_http_warehouse_command_told(r, &follow->commands[0]);

    } else {
        rc = ngx_http_warehouse_command_accepted(r);
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_warehouse_command_told(ngx_http_request_t *r,
    const ngx_http_warehouse_followed_t *command)
{
    ngx_str_t                     type, body;
    const char                   *status;
    ngx_http_warehouse_problem_t  problem;

    if (command->verdict == WH_REFUSED) {
        ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

        problem.status = NGX_HTTP_CONFLICT;
        problem.detail = "the command was written and refused: it has no "
                         "effect";
        problem.members = (char *) command->members.data;

        return ngx_http_warehouse_problem(r, &problem);
    }

    status = ngx_http_warehouse_outcome_status(command->verdict);

    body.data = ngx_pnalloc(r->pool, sizeof("{\"status\":\"\",}")
                                     + ngx_strlen(status)
                                     + command->members.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = ngx_sprintf(body.data, "{\"status\":\"%s\",%V}", status,
                           &command->members)
               - body.data;

    ngx_str_set(&type, "application/json");

    return ngx_http_warehouse_reply(r, NGX_HTTP_OK, &type, &body);
}


static ngx_int_t
ngx_http_warehouse_command_accepted(ngx_http_request_t *r)
{
    static ngx_str_t  type = ngx_string("application/json");
    static ngx_str_t  accepted = ngx_string("{\"status\":\"accepted\"}");

    return ngx_http_warehouse_reply(r, NGX_HTTP_OK, &type, &accepted);
}
