#include "ngx_http_warehouse_batch.h"
#include "ngx_http_warehouse_command.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_fates.h"
#include "ngx_http_warehouse_follow.h"
#include "ngx_http_warehouse_lines.h"
#include "ngx_http_warehouse_outcome.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_request.h"
#include "ngx_http_warehouse_write.h"
#include "wh_key.h"


/* Digits of a line's number, behind a colon. */
#define NGX_HTTP_WAREHOUSE_LINE  (1 + 10)


static ngx_int_t ngx_http_warehouse_batch_write(ngx_http_request_t *r,
    ngx_array_t *lines);
static ngx_int_t ngx_http_warehouse_batch_fits(ngx_http_request_t *r,
    ngx_array_t *lines);
static ngx_int_t ngx_http_warehouse_batch_send(
    ngx_http_warehouse_write_t *write, ngx_array_t *lines);
static void ngx_http_warehouse_batch_written(
    ngx_http_warehouse_write_t *write);
static ngx_int_t ngx_http_warehouse_batch_done(
    ngx_http_warehouse_write_t *write);
static ngx_int_t ngx_http_warehouse_batch_failed(
    ngx_http_warehouse_write_t *write);
static ngx_int_t ngx_http_warehouse_batch_positions(
    ngx_http_warehouse_write_t *write);
static ngx_int_t ngx_http_warehouse_batch_follow(
    ngx_http_warehouse_write_t *write);
static void ngx_http_warehouse_batch_followed(
    ngx_http_warehouse_follow_t *follow);
static ngx_int_t ngx_http_warehouse_batch_accepted(
    ngx_http_warehouse_write_t *write, ngx_http_warehouse_follow_t *follow);
static u_char *ngx_http_warehouse_batch_outcome(u_char *p,
    const ngx_http_warehouse_followed_t *command);


static const char  *ngx_http_warehouse_batch_fates[] = {
    [NGX_HTTP_WAREHOUSE_PERSISTED] = "accepted",
    [NGX_HTTP_WAREHOUSE_NOT_PERSISTED] = "not_written",
    [NGX_HTTP_WAREHOUSE_BUSY] = "not_written",
    [NGX_HTTP_WAREHOUSE_DENIED] = "not_written",
    [NGX_HTTP_WAREHOUSE_TOO_LARGE] = "too_large",
    [NGX_HTTP_WAREHOUSE_TOO_LARGE_HERE] = "too_large",
    [NGX_HTTP_WAREHOUSE_UNKNOWN] = "unknown"
};


ngx_int_t
ngx_http_warehouse_batch(ngx_http_request_t *r, ngx_str_t *body)
{
    ngx_int_t                       rc;
    ngx_array_t                     lines;
    ngx_http_warehouse_ctx_t       *ctx;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);
    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    if (body->len > wlcf->batch_size) {
        return ngx_http_warehouse_lines_refuse(r,
                                         NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                         "the body is larger than a batch may "
                                         "be");
    }

    if (ctx->idempotency_key.len + NGX_HTTP_WAREHOUSE_LINE > WH_KEY_MAX) {
        return ngx_http_warehouse_lines_refuse(r, NGX_HTTP_BAD_REQUEST,
                                         "the idempotency key of a batch has "
                                         "at most 244 characters");
    }

    rc = ngx_http_warehouse_lines(r, body, &lines);

    return (rc == NGX_DECLINED) ? ngx_http_warehouse_batch_write(r, &lines)
                                : rc;
}


static ngx_int_t
ngx_http_warehouse_batch_write(ngx_http_request_t *r, ngx_array_t *lines)
{
    ngx_int_t                    rc;
    ngx_http_warehouse_write_t  *write;

    rc = ngx_http_warehouse_batch_fits(r, lines);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ngx_http_warehouse_write_crowded(r, lines->nelts)) {
        ngx_http_warehouse_count(overload);
        return ngx_http_warehouse_problem(r,
                     ngx_http_warehouse_fate_problem(NGX_HTTP_WAREHOUSE_BUSY));
    }

    write = ngx_http_warehouse_write_create(r, lines->nelts,
                                            ngx_http_warehouse_batch_written);

    if (write == NULL
        || ngx_http_warehouse_batch_send(write, lines) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_warehouse_count(batches);

    return (ngx_http_warehouse_write_wait(write) == NGX_DONE)
           ? NGX_DONE : ngx_http_warehouse_batch_failed(write);
}


/* Whether librdkafka takes all of them.  NGX_DECLINED; or r is answered. */

static ngx_int_t
ngx_http_warehouse_batch_fits(ngx_http_request_t *r, ngx_array_t *lines)
{
    ngx_uint_t                       i;
    ngx_http_warehouse_line_t       *line;
    ngx_http_warehouse_message_t     message;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);
    line = lines->elts;

    ngx_http_warehouse_command_message(r, &message);

    if (message.idempotency_key.len != 0) {
        message.idempotency_key.len += NGX_HTTP_WAREHOUSE_LINE;
    }

    for (i = 0; i < lines->nelts; i++) {
        message.value = line[i].value;
        message.key = line[i].sku;

        if (ngx_http_warehouse_message_size(&message) > wmcf->kafka.largest) {
            return ngx_http_warehouse_lines_too_large(r, i + 1);
        }
    }

    return NGX_DECLINED;
}


/* Behind one that is not taken none is tried. */

static ngx_int_t
ngx_http_warehouse_batch_send(ngx_http_warehouse_write_t *write,
    ngx_array_t *lines)
{
    u_char                        *p;
    ngx_str_t                      key;
    ngx_uint_t                     i;
    ngx_http_warehouse_line_t     *line;
    ngx_http_warehouse_message_t   message;

    line = lines->elts;

    ngx_http_warehouse_command_message(write->request, &message);

    key = message.idempotency_key;
    p = NULL;

    if (key.len != 0) {
        p = ngx_pnalloc(write->request->pool,
                        key.len + NGX_HTTP_WAREHOUSE_LINE);
        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < lines->nelts; i++) {

        if (p != NULL) {
            message.idempotency_key.data = p;
            message.idempotency_key.len = ngx_sprintf(p, "%V:%ui", &key, i + 1)
                                          - p;
        }

        message.value = line[i].value;
        message.key = line[i].sku;

        if (ngx_http_warehouse_write_send(write, i, &message) != NGX_OK) {
            break;
        }
    }

    for ( /* void */ ; i + 1 < lines->nelts; i++) {
        write->commands[i + 1].report = write->commands[i].report;
    }

    return NGX_OK;
}


static void
ngx_http_warehouse_batch_written(ngx_http_warehouse_write_t *write)
{
    ngx_int_t  rc;

    rc = ngx_http_warehouse_batch_done(write);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(write->request, rc);
    }
}


static ngx_int_t
ngx_http_warehouse_batch_done(ngx_http_warehouse_write_t *write)
{
    ngx_uint_t                 i;
    ngx_http_warehouse_ctx_t  *ctx;

    for (i = 0; i < write->n; i++) {
        if (write->commands[i].report.fate != NGX_HTTP_WAREHOUSE_PERSISTED) {
            return ngx_http_warehouse_batch_failed(write);
        }
    }

    if (ngx_http_warehouse_batch_positions(write) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_get_module_ctx(write->request, ngx_http_warehouse_module);

    return (ctx->wait > 0) ? ngx_http_warehouse_batch_follow(write)
                           : ngx_http_warehouse_batch_accepted(write, NULL);
}


/*
 * The worst fate is the reply's, all are in it.  Where some are written it is
 * no 413, although it does not help to send one again that is too large.
 */

static ngx_int_t
ngx_http_warehouse_batch_failed(ngx_http_warehouse_write_t *write)
{
    u_char                         *p, *members;
    ngx_uint_t                      i, written;
    ngx_http_warehouse_fate_e       worst, other;
    ngx_http_warehouse_report_t    *report;
    ngx_http_warehouse_problem_t    problem;

    members = ngx_pnalloc(write->request->pool, sizeof("\"lines\":[]")
                          + write->n * (sizeof("{\"status\":\"not_written\","
                                               "\"position\":\"\"},")
                                        + WH_POSITION_LEN));
    if (members == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    written = 0;
    worst = NGX_HTTP_WAREHOUSE_PERSISTED;
    other = NGX_HTTP_WAREHOUSE_PERSISTED;
    p = ngx_cpymem(members, "\"lines\":[", sizeof("\"lines\":[") - 1);

    for (i = 0; i < write->n; i++) {
        report = &write->commands[i].report;
        written += (report->fate == NGX_HTTP_WAREHOUSE_PERSISTED);
        worst = ngx_max(worst, report->fate);

        if (report->fate <= NGX_HTTP_WAREHOUSE_DENIED) {
            other = ngx_max(other, report->fate);
        }

        p = ngx_sprintf(p, "%s{\"status\":\"%s\"", i ? "," : "",
                        ngx_http_warehouse_batch_fates[report->fate]);

        if (report->offset >= 0
            && report->fate == NGX_HTTP_WAREHOUSE_PERSISTED)
        {
            p = ngx_sprintf(p, ",\"position\":\"%D:%L\"", report->partition,
                            report->offset);
        }

        *p++ = '}';
    }

    (void) ngx_cpymem(p, "]", sizeof("]"));

    /* too large: the batch is, where nothing else kept a line from being written */

    if (worst > NGX_HTTP_WAREHOUSE_DENIED
        && worst != NGX_HTTP_WAREHOUSE_UNKNOWN)
    {
        worst = (other != NGX_HTTP_WAREHOUSE_PERSISTED) ? other
                : (written > 0) ? NGX_HTTP_WAREHOUSE_DENIED : worst;
    }

    problem = *ngx_http_warehouse_fate_problem(worst);
    problem.detail = "not all commands are known to be written: the lines say "
                     "which";
    problem.members = (char *) members;

    return ngx_http_warehouse_problem(write->request, &problem);
}


/* For Warehouse-Min-Position: the last in each partition. */

static ngx_int_t
ngx_http_warehouse_batch_positions(ngx_http_warehouse_write_t *write)
{
    u_char                       *p;
    ngx_str_t                     position;
    ngx_uint_t                    i, k, n;
    ngx_http_request_t           *r;
    ngx_http_warehouse_report_t  *report, *last;

    r = write->request;
    last = ngx_palloc(r->pool, write->n * sizeof(ngx_http_warehouse_report_t));
    p = ngx_pnalloc(r->pool, write->n * (WH_POSITION_LEN + 2));

    if (last == NULL || p == NULL) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < write->n; i++) {
        report = &write->commands[i].report;

        if (report->offset < 0) {
            continue;
        }

        for (k = 0; k < n && last[k].partition != report->partition; k++) {
            /* void */
        }

        if (k == n) {
            last[n++] = *report;

        } else {
            last[k].offset = ngx_max(last[k].offset, report->offset);
        }
    }

    if (n == 0) {
        return NGX_OK;
    }

    position.data = p;

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, "%s%D:%L", i ? ", " : "", last[i].partition,
                        last[i].offset);
    }

    position.len = p - position.data;

    return ngx_http_warehouse_add_header(r, NGX_HTTP_WAREHOUSE_POSITION,
                                         &position);
}


static ngx_int_t
ngx_http_warehouse_batch_follow(ngx_http_warehouse_write_t *write)
{
    ngx_uint_t                    i;
    ngx_http_warehouse_follow_t  *follow;
    ngx_http_warehouse_report_t  *report;

    follow = ngx_http_warehouse_follow_create(write->request,
                            ngx_http_warehouse_commands_topic(write->request),
                            write->n, ngx_http_warehouse_batch_followed);
    if (follow == NULL) {
        return ngx_http_warehouse_batch_accepted(write, NULL);
    }

    follow->data = write;

    for (i = 0; i < write->n; i++) {
        report = &write->commands[i].report;

        if (report->offset >= 0
            && ngx_http_warehouse_follow_add(follow, i,
                                             &write->commands[i].value,
                                             report->partition, report->offset)
               != NGX_OK)
        {
            ngx_http_warehouse_follow_cancel(follow);
            return ngx_http_warehouse_batch_accepted(write, NULL);
        }
    }

    ngx_http_warehouse_follow_wait(follow);

    return NGX_DONE;
}


static void
ngx_http_warehouse_batch_followed(ngx_http_warehouse_follow_t *follow)
{
    ngx_int_t  rc;

    rc = (ngx_http_warehouse_follow_applied(follow->request) == NGX_OK)
         ? ngx_http_warehouse_batch_accepted(follow->data, follow)
         : NGX_HTTP_INTERNAL_SERVER_ERROR;

    ngx_http_finalize_request(follow->request, rc);
}


/* follow: what is known of the outcomes, or NULL. */

static ngx_int_t
ngx_http_warehouse_batch_accepted(ngx_http_warehouse_write_t *write,
    ngx_http_warehouse_follow_t *follow)
{
    u_char                       *p;
    size_t                        len;
    ngx_str_t                     body, type;
    ngx_uint_t                    i;
    ngx_http_warehouse_report_t  *report;

    len = sizeof("{\"status\":\"accepted\",\"positions\":[],\"outcomes\":[]}")
          + write->n * (WH_POSITION_LEN + 3);

    for (i = 0; follow != NULL && i < write->n; i++) {
        len += sizeof("{\"status\":\"duplicate\",},")
               + follow->commands[i].members.len;
    }

    body.data = ngx_pnalloc(write->request->pool, len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_sprintf(body.data, "{\"status\":\"accepted\",\"positions\":[");

    for (i = 0; i < write->n; i++) {
        report = &write->commands[i].report;

        if (i > 0) {
            *p++ = ',';
        }

        p = (report->offset >= 0)
            ? ngx_sprintf(p, "\"%D:%L\"", report->partition, report->offset)
            : ngx_sprintf(p, "null");
    }

    if (follow != NULL) {
        p = ngx_sprintf(p, "],\"outcomes\":[");

        for (i = 0; i < write->n; i++) {

            if (i > 0) {
                *p++ = ',';
            }

            p = ngx_http_warehouse_batch_outcome(p, &follow->commands[i]);
        }
    }

    p = ngx_sprintf(p, "]}");

    body.len = p - body.data;
    ngx_str_set(&type, "application/json");

    return ngx_http_warehouse_reply(write->request, NGX_HTTP_OK, &type, &body);
}


static u_char *
ngx_http_warehouse_batch_outcome(u_char *p,
    const ngx_http_warehouse_followed_t *command)
{
    if (command->told != NGX_HTTP_WAREHOUSE_TOLD) {
        return ngx_sprintf(p, "{\"status\":\"%s\"}",
                           command->told == NGX_HTTP_WAREHOUSE_PENDING
                           ? "pending" : "unknown");
    }

    return ngx_sprintf(p, "{\"status\":\"%s\",%V}",
                       ngx_http_warehouse_outcome_status(command->verdict),
                       &command->members);
}
