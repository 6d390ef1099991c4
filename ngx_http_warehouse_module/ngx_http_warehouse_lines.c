#include "ngx_http_warehouse_lines.h"
#include "ngx_http_warehouse_command.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_problem.h"
#include "wh_ndjson.h"


static ngx_int_t ngx_http_warehouse_lines_add(ngx_http_request_t *r,
    ngx_array_t *lines, ngx_str_t *value, ngx_uint_t *conditional);
static ngx_int_t ngx_http_warehouse_lines_malformed(ngx_http_request_t *r,
    ngx_uint_t line, ngx_uint_t status, const char *detail,
    const char *pointer);


ngx_int_t
ngx_http_warehouse_lines(ngx_http_request_t *r, ngx_str_t *body,
    ngx_array_t *lines)
{
    size_t                          left;
    ngx_int_t                       rc;
    ngx_str_t                       line;
    const char                     *text, *p;
    ngx_uint_t                      conditional, most;
    ngx_http_warehouse_loc_conf_t  *wlcf;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);
    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    /* more than the producer holds it would never take */

    most = ngx_min(wlcf->batch_commands, wmcf->kafka.queue);

    if (ngx_array_init(lines, r->pool, 16, sizeof(ngx_http_warehouse_line_t))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    conditional = 0;
    text = (const char *) body->data;
    left = body->len;

    while (wh_ndjson_next(&p, &line.len, &text, &left) == WH_OK) {

        line.data = (u_char *) p;

        if (lines->nelts == most) {
            return ngx_http_warehouse_lines_refuse(r,
                                         NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                         "there are more commands than a "
                                         "batch may have");
        }

        if (line.len > wlcf->command_size) {
            return ngx_http_warehouse_lines_too_large(r, lines->nelts + 1);
        }

        rc = ngx_http_warehouse_lines_add(r, lines, &line, &conditional);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (lines->nelts == 0) {
        return ngx_http_warehouse_lines_refuse(r, NGX_HTTP_BAD_REQUEST,
                                               "the batch is empty");
    }

    return conditional ? ngx_http_warehouse_command_conditions(r)
                       : NGX_DECLINED;
}


/* One of them.  NGX_DECLINED; otherwise r is answered. */

static ngx_int_t
ngx_http_warehouse_lines_add(ngx_http_request_t *r, ngx_array_t *lines,
    ngx_str_t *value, ngx_uint_t *conditional)
{
    int                         rc;
    char                        texts[WH_COMMAND_TEXTS];
    wh_error_t                  err;
    wh_command_t                command;
    ngx_http_warehouse_line_t  *line;

    rc = wh_command_decode((char *) value->data, value->len, &command, texts,
                           &err);

    if (rc == WH_EJSON || rc == WH_ECOMMAND) {
        return ngx_http_warehouse_lines_malformed(r, lines->nelts + 1,
                                          NGX_HTTP_WAREHOUSE_UNPROCESSABLE,
                                          err.text, err.pointer);
    }

    line = (rc == WH_OK) ? ngx_array_push(lines) : NULL;
    if (line == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    line->value = *value;
    line->sku.len = command.sku_len;
    line->sku.data = ngx_pnalloc(r->pool, command.sku_len);

    if (line->sku.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(line->sku.data, command.sku, command.sku_len);

    if (wh_command_conditional(&command)) {
        *conditional = 1;
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_warehouse_lines_too_large(ngx_http_request_t *r, ngx_uint_t line)
{
    return ngx_http_warehouse_lines_malformed(r, line,
                                     NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                     "it is larger than a command may be",
                                     NULL);
}


static ngx_int_t
ngx_http_warehouse_lines_malformed(ngx_http_request_t *r, ngx_uint_t line,
    ngx_uint_t status, const char *detail, const char *pointer)
{
    u_char                        text[sizeof(((wh_error_t *) 0)->text) + 64];
    u_char                        member[sizeof("\"line\":") + NGX_INT_T_LEN];
    ngx_http_warehouse_problem_t  problem;

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    (void) ngx_snprintf(text, sizeof(text), "line %ui: %s%Z", line, detail);
    (void) ngx_sprintf(member, "\"line\":%ui%Z", line);

    problem.status = status;
    problem.detail = (char *) text;
    problem.pointer = pointer;
    problem.members = (char *) member;

    return ngx_http_warehouse_problem(r, &problem);
}


ngx_int_t
ngx_http_warehouse_lines_refuse(ngx_http_request_t *r, ngx_uint_t status,
    const char *detail)
{
    ngx_http_warehouse_problem_t  problem;

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    problem.status = status;
    problem.detail = detail;

    return ngx_http_warehouse_problem(r, &problem);
}
