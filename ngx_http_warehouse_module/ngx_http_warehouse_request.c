#include "ngx_http_warehouse_request.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_format.h"
#include "wh_accept.h"
#include "wh_error.h"
#include "wh_key.h"
#include "wh_position.h"
#include "wh_prefer.h"
#include "wh_trace.h"


#define NGX_HTTP_WAREHOUSE_POSITIONS  256    /* in one request */


/* A walk over the fields of a request's header. */

typedef struct {
    ngx_list_part_t  *part;
    ngx_uint_t        i;
} ngx_http_warehouse_walk_t;


static ngx_uint_t ngx_http_warehouse_is_type(ngx_str_t *type,
    const char *name);
static ngx_uint_t ngx_http_warehouse_from_browser(ngx_http_request_t *r);
static ngx_uint_t ngx_http_warehouse_find_header(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);
static void ngx_http_warehouse_walk(ngx_http_warehouse_walk_t *walk,
    ngx_http_request_t *r);
static ngx_table_elt_t *ngx_http_warehouse_walk_next(
    ngx_http_warehouse_walk_t *walk, ngx_str_t *name);
static ngx_int_t ngx_http_warehouse_add_position(ngx_http_request_t *r,
    ngx_array_t *positions, const wh_position_t *next);


ngx_uint_t
ngx_http_warehouse_enter_get(ngx_http_request_t *r,
    ngx_http_warehouse_serve_e serve, ngx_int_t *rc)
{
    static const ngx_http_warehouse_problem_t  not_allowed = {
        NGX_HTTP_NOT_ALLOWED, "the method is not allowed here", NULL,
        "GET, HEAD", 0, NULL
    };

    *rc = ngx_http_warehouse_enter(r, serve);

    if (*rc != NGX_OK) {
        return 0;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        *rc = ngx_http_warehouse_problem(r, &not_allowed);
        return 0;
    }

    *rc = ngx_http_discard_request_body(r);

    return *rc == NGX_OK;
}


ngx_http_warehouse_ctx_t *
ngx_http_warehouse_get_ctx(ngx_http_request_t *r)
{
    ngx_http_warehouse_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_warehouse_ctx_t));

        if (ctx != NULL) {
            ngx_http_set_ctx(r, ctx, ngx_http_warehouse_module);
        }
    }

    return ctx;
}


ngx_int_t
ngx_http_warehouse_check_media(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem)
{
    ngx_str_t                  value;
    ngx_http_warehouse_ctx_t  *ctx;

    static ngx_str_t  encoding = ngx_string("Content-Encoding");

    ngx_memzero(problem, sizeof(ngx_http_warehouse_problem_t));
    problem->status = NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;

    if (ngx_http_warehouse_find_header(r, &encoding, &value) != 0) {
        problem->detail = "Content-Encoding is not supported";
        return NGX_ERROR;
    }

    if (r->headers_in.content_type == NULL) {

        if (!ngx_http_warehouse_from_browser(r)) {
            return NGX_OK;
        }

        problem->detail = "a browser has to say that the Content-Type is "
                          "application/json";
        return NGX_ERROR;
    }

    if (ngx_http_warehouse_is_type(&r->headers_in.content_type->value,
                                   "application/x-ndjson"))
    {
        ctx = ngx_http_warehouse_get_ctx(r);

        if (ctx == NULL) {
            problem->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
            problem->detail = "out of memory";
            return NGX_ERROR;
        }

        ctx->batch = 1;
        return NGX_OK;
    }

    if (!ngx_http_warehouse_is_type(&r->headers_in.content_type->value,
                                    "application/json"))
    {
        problem->detail = "the Content-Type is not application/json or "
                          "application/x-ndjson";
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Their parameters say nothing that JSON would need (RFC 8259 §11). */

static ngx_uint_t
ngx_http_warehouse_is_type(ngx_str_t *type, const char *name)
{
    size_t  len;

    for (len = 0; len < type->len && type->data[len] != ';'; len++) {
        /* void */
    }

    while (len && (type->data[len - 1] == ' ' || type->data[len - 1] == '\t')) {
        len--;
    }

    return len == ngx_strlen(name)
           && ngx_strncasecmp(type->data, (u_char *) name, len) == 0;
}


ngx_uint_t
ngx_http_warehouse_is_batch(ngx_http_request_t *r)
{
    ngx_http_warehouse_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    return ctx != NULL && ctx->batch;
}


/*
 * A page of any site can have a browser send a POST without a type; one of
 * application/json it sends only after this server has allowed it (the Fetch
 * Standard, "CORS-safelisted request-header").  Browsers send one or both of
 * these fields with every POST.
 */

static ngx_uint_t
ngx_http_warehouse_from_browser(ngx_http_request_t *r)
{
    ngx_str_t  value;

    static ngx_str_t  origin = ngx_string("Origin");
    static ngx_str_t  site = ngx_string("Sec-Fetch-Site");

    return ngx_http_warehouse_find_header(r, &origin, &value) != 0
           || ngx_http_warehouse_find_header(r, &site, &value) != 0;
}


ngx_int_t
ngx_http_warehouse_read_key(ngx_http_request_t *r,
    ngx_http_warehouse_problem_t *problem)
{
    wh_key_t                   key;
    ngx_str_t                  value;
    ngx_uint_t                 n;
    ngx_http_warehouse_ctx_t  *ctx;

    static ngx_str_t  name = ngx_string("Idempotency-Key");

    n = ngx_http_warehouse_find_header(r, &name, &value);

    if (n == 0) {
        return NGX_OK;
    }

    ngx_memzero(problem, sizeof(ngx_http_warehouse_problem_t));
    problem->status = NGX_HTTP_BAD_REQUEST;

    if (n > 1) {
        problem->detail = "there is more than one Idempotency-Key";
        return NGX_ERROR;
    }

    if (wh_key_parse(&key, (char *) value.data, value.len, NULL) != WH_OK) {
        problem->detail = "an idempotency key has 1 to 255 visible ASCII "
                          "characters";
        return NGX_ERROR;
    }

    ctx = ngx_http_warehouse_get_ctx(r);

    if (ctx != NULL) {
        ctx->idempotency_key.data = ngx_pnalloc(r->pool, key.len);
    }

    if (ctx == NULL || ctx->idempotency_key.data == NULL) {
        problem->status = NGX_HTTP_INTERNAL_SERVER_ERROR;
        problem->detail = "out of memory";
        return NGX_ERROR;
    }

    ngx_memcpy(ctx->idempotency_key.data, key.text, key.len);
    ctx->idempotency_key.len = key.len;

    return NGX_OK;
}


ngx_int_t
ngx_http_warehouse_format_wanted(ngx_http_request_t *r)
{
    wh_accept_t                 accept;
    ngx_table_elt_t            *h;
    ngx_http_warehouse_walk_t   walk;

    static ngx_str_t          name = ngx_string("Accept");
    static const char *const  types[NGX_HTTP_WAREHOUSE_FORMATS] = {
        [NGX_HTTP_WAREHOUSE_JSON] = "application/json",
        [NGX_HTTP_WAREHOUSE_NDJSON] = "application/x-ndjson",
        [NGX_HTTP_WAREHOUSE_CSV] = "text/csv"
    };

    wh_accept_init(&accept, types, NGX_HTTP_WAREHOUSE_FORMATS);
    ngx_http_warehouse_walk(&walk, r);

    while ((h = ngx_http_warehouse_walk_next(&walk, &name)) != NULL) {
        wh_accept_field(&accept, (char *) h->value.data, h->value.len);
    }

    return wh_accept_best(&accept);
}


ngx_str_t *
ngx_http_warehouse_commands_topic(ngx_http_request_t *r)
{
    ngx_http_warehouse_loc_conf_t   *wlcf;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);
    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    return (ngx_str_t *) wmcf->kafka.topics.elts + wlcf->topic;
}


int32_t
ngx_http_warehouse_read_wait(ngx_http_request_t *r)
{
    int32_t                     seconds;
    ngx_table_elt_t            *h;
    ngx_http_warehouse_walk_t   walk;

    static ngx_str_t  name = ngx_string("Prefer");

    seconds = -1;
    ngx_http_warehouse_walk(&walk, r);

    while (seconds < 0
           && (h = ngx_http_warehouse_walk_next(&walk, &name)) != NULL)
    {
        seconds = wh_prefer_wait((char *) h->value.data, h->value.len);
    }

    return seconds;
}


ngx_int_t
ngx_http_warehouse_read_positions(ngx_http_request_t *r,
    ngx_array_t *positions)
{
    int                         rc;
    size_t                      len;
    ngx_uint_t                  n;
    const char                 *text;
    wh_position_t               next;
    ngx_table_elt_t            *h;
    ngx_http_warehouse_walk_t   walk;

    static ngx_str_t  name = ngx_string("Warehouse-Min-Position");

    n = 0;

    positions->elts = NULL;
    positions->nelts = 0;

    ngx_http_warehouse_walk(&walk, r);

    while ((h = ngx_http_warehouse_walk_next(&walk, &name)) != NULL) {
        text = (char *) h->value.data;
        len = h->value.len;

        for ( ;; ) {
            rc = wh_position_next(&next, &text, &len);

            if (rc == WH_NONE) {
                break;
            }

            if (rc != WH_OK || n++ == NGX_HTTP_WAREHOUSE_POSITIONS) {
                return NGX_DECLINED;
            }

            if (ngx_http_warehouse_add_position(r, positions, &next)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return positions->nelts ? NGX_OK : NGX_DONE;
}


/* Of each partition the last one. */

static ngx_int_t
ngx_http_warehouse_add_position(ngx_http_request_t *r, ngx_array_t *positions,
    const wh_position_t *next)
{
    ngx_uint_t      i;
    wh_position_t  *position;

    position = positions->elts;

    for (i = 0; i < positions->nelts; i++) {

        if (position[i].partition == next->partition) {
            position[i].offset = ngx_max(position[i].offset, next->offset);
            return NGX_OK;
        }
    }

    if (positions->elts == NULL
        && ngx_array_init(positions, r->pool, 1, sizeof(wh_position_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    position = ngx_array_push(positions);
    if (position == NULL) {
        return NGX_ERROR;
    }

    *position = *next;

    return NGX_OK;
}


ngx_int_t
ngx_http_warehouse_read_event_id(ngx_http_request_t *r, int64_t *offset)
{
    ngx_str_t  value;

    static ngx_str_t  name = ngx_string("Last-Event-ID");

    ngx_str_null(&value);

    if (ngx_http_warehouse_find_header(r, &name, &value) == 0
        || value.len == 0)
    {
        return NGX_OK;
    }

    return (wh_offset_behind_parse(offset, (char *) value.data, value.len)
            == WH_OK)
           ? NGX_OK : NGX_ERROR;
}


void
ngx_http_warehouse_read_trace(ngx_http_request_t *r, ngx_str_t *traceparent,
    ngx_str_t *tracestate)
{
    static ngx_str_t  parent = ngx_string(WH_TRACE_PARENT);
    static ngx_str_t  state = ngx_string(WH_TRACE_STATE);

    ngx_str_null(tracestate);

    if (ngx_http_warehouse_find_header(r, &parent, traceparent) != 1
        || !wh_trace_parent_valid((char *) traceparent->data,
                                  traceparent->len))
    {
        ngx_str_null(traceparent);
        return;
    }

    /* of several the list would have to be made: it may be left out, §3.3.1 */

    if (ngx_http_warehouse_find_header(r, &state, tracestate) != 1
        || !wh_trace_state_valid((char *) tracestate->data, tracestate->len))
    {
        ngx_str_null(tracestate);
    }
}


/* Returns how many fields of that name there are, and the last one's value. */

static ngx_uint_t
ngx_http_warehouse_find_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_uint_t                  n;
    ngx_table_elt_t            *h;
    ngx_http_warehouse_walk_t   walk;

    n = 0;
    ngx_http_warehouse_walk(&walk, r);

    while ((h = ngx_http_warehouse_walk_next(&walk, name)) != NULL) {
        *value = h->value;
        n++;
    }

    return n;
}


static void
ngx_http_warehouse_walk(ngx_http_warehouse_walk_t *walk, ngx_http_request_t *r)
{
    walk->part = &r->headers_in.headers.part;
    walk->i = 0;
}


/* The next field of that name, or NULL. */

static ngx_table_elt_t *
ngx_http_warehouse_walk_next(ngx_http_warehouse_walk_t *walk, ngx_str_t *name)
{
    ngx_table_elt_t  *h;

    for ( ;; ) {

        if (walk->i >= walk->part->nelts) {
            if (walk->part->next == NULL) {
                return NULL;
            }

            walk->part = walk->part->next;
            walk->i = 0;
            continue;
        }

        h = (ngx_table_elt_t *) walk->part->elts + walk->i++;

        if (h->key.len == name->len
            && ngx_strncasecmp(h->key.data, name->data, name->len) == 0)
        {
            return h;
        }
    }
}
