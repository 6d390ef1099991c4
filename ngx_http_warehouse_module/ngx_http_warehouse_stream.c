#include "ngx_http_warehouse_stream.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_request.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_STREAM_BLOCK  4096    /* bytes at first */


static ngx_int_t ngx_http_warehouse_stream_headers(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_stream_next(
    ngx_http_warehouse_stream_t *stream);
static void ngx_http_warehouse_stream_writable(ngx_http_request_t *r);
static ngx_int_t ngx_http_warehouse_stream_send(
    ngx_http_warehouse_stream_t *stream, ngx_chain_t *out);
static void ngx_http_warehouse_stream_end(ngx_http_warehouse_stream_t *stream,
    ngx_int_t rc);


ngx_int_t
ngx_http_warehouse_stream_open(ngx_http_warehouse_stream_t *stream,
    ngx_http_request_t *r, size_t limit)
{
    ngx_int_t                  rc;
    ngx_http_warehouse_ctx_t  *ctx;

    ngx_memzero(stream, sizeof(ngx_http_warehouse_stream_t));

    stream->request = r;
    stream->limit = limit;
    stream->buf = ngx_calloc_buf(r->pool);

    ctx = ngx_http_warehouse_get_ctx(r);

    if (stream->buf == NULL || ctx == NULL
        || ngx_http_warehouse_stream_headers(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->stream = stream;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (!r->discard_body) {
        /* or the rest of a body would stay where it is */
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_stream_headers(ngx_http_request_t *r)
{
    static ngx_str_t  no_store = ngx_string("no-store");
    static ngx_str_t  no = ngx_string("no");

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = -1;
    ngx_str_set(&r->headers_out.content_type, "text/event-stream");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    r->disable_not_modified = 1;

    /* to other nginx in between: pass it on at once */

    return (ngx_http_warehouse_add_header(r, "Cache-Control", &no_store)
            == NGX_OK)
           ? ngx_http_warehouse_add_header(r, "X-Accel-Buffering", &no)
           : NGX_ERROR;
}


ngx_uint_t
ngx_http_warehouse_stream_goes_on(const ngx_http_warehouse_stream_t *stream)
{
    return !stream->closing && !stream->ended
           && !stream->request->connection->error;
}


void
ngx_http_warehouse_stream_put(ngx_http_warehouse_stream_t *stream,
    const void *text, size_t len)
{
    u_char  *data;
    size_t   size;

    if (stream->full || stream->limit - stream->len < len) {
        stream->full = 1;
        return;
    }

    if (stream->size[1] - stream->len < len) {

        size = ngx_max(2 * stream->size[1], NGX_HTTP_WAREHOUSE_STREAM_BLOCK);
        size = ngx_min(ngx_max(size, stream->len + len), stream->limit);

        data = ngx_alloc(size, stream->request->connection->log);
        if (data == NULL) {
            stream->full = 1;
            return;
        }

        if (stream->data[1] != NULL) {
            ngx_memcpy(data, stream->data[1], stream->len);
            ngx_free(stream->data[1]);
        }

        stream->data[1] = data;
        stream->size[1] = size;
    }

    ngx_memcpy(stream->data[1] + stream->len, text, len);
    stream->len += len;
}


void
ngx_http_warehouse_stream_flush(ngx_http_warehouse_stream_t *stream)
{
    if (stream->busy || stream->ended) {
        return;
    }

    if (stream->len > 0
        && (ngx_http_warehouse_stream_next(stream) != NGX_OK || stream->busy))
    {
        return;
    }

    if (stream->closing) {
        ngx_http_warehouse_stream_end(stream,
                                  ngx_http_send_special(stream->request,
                                                        NGX_HTTP_LAST));
    }
}


/* Sends the block that was filled.  NGX_OK; NGX_DONE: the request is gone. */

static ngx_int_t
ngx_http_warehouse_stream_next(ngx_http_warehouse_stream_t *stream)
{
    u_char       *data;
    size_t        size;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    data = stream->data[0];
    size = stream->size[0];
    stream->data[0] = stream->data[1];
    stream->size[0] = stream->size[1];
    stream->data[1] = data;
    stream->size[1] = size;

    b = stream->buf;

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = stream->data[0];
    b->pos = b->start;
    b->last = b->start + stream->len;
    b->end = b->last;
    b->memory = 1;
    b->flush = 1;

    stream->len = 0;
    stream->busy = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_warehouse_stream_send(stream, &out);
}


/* out: what is new, or NULL.  NGX_OK; NGX_DONE: the request is gone. */

static ngx_int_t
ngx_http_warehouse_stream_send(ngx_http_warehouse_stream_t *stream,
    ngx_chain_t *out)
{
    ngx_event_t               *wev;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = stream->request;
    wev = r->connection->write;

    if (ngx_http_output_filter(r, out) == NGX_ERROR) {
        ngx_http_warehouse_stream_end(stream, NGX_ERROR);
        return NGX_DONE;
    }

    /* while any of it is held somewhere the block is not ours */

    if (ngx_buf_size(stream->buf) == 0 && !r->buffered
        && !r->connection->buffered)
    {
        stream->busy = 0;
        r->write_event_handler = ngx_http_request_empty_handler;

        /* one of limit_rate's ends the delay */

        if (wev->timer_set && !wev->delayed) {
            ngx_del_timer(wev);
        }

        if (stream->size[0] > NGX_HTTP_WAREHOUSE_STREAM_BLOCK) {
            /* of a burst, which may not come again */
            ngx_free(stream->data[0]);
            stream->data[0] = NULL;
            stream->size[0] = 0;
        }

        return NGX_OK;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    r->write_event_handler = ngx_http_warehouse_stream_writable;

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_warehouse_stream_end(stream, NGX_ERROR);
        return NGX_DONE;
    }

    return NGX_OK;
}


/* The client has read. */

static void
ngx_http_warehouse_stream_writable(ngx_http_request_t *r)
{
    ngx_http_warehouse_ctx_t     *ctx;
    ngx_http_warehouse_stream_t  *stream;

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);
    stream = ctx->stream;

    if (r->connection->write->timedout) {
        r->connection->timedout = 1;
        ngx_http_warehouse_count(cut);
        ngx_http_warehouse_stream_end(stream, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (ngx_http_warehouse_stream_send(stream, NULL) == NGX_OK
        && !stream->busy)
    {
        ngx_http_warehouse_stream_flush(stream);
    }
}


void
ngx_http_warehouse_stream_close(ngx_http_warehouse_stream_t *stream)
{
    stream->closing = 1;
    ngx_http_warehouse_stream_flush(stream);
}


void
ngx_http_warehouse_stream_cut(ngx_http_warehouse_stream_t *stream)
{
    ngx_http_warehouse_stream_end(stream, NGX_ERROR);
}


static void
ngx_http_warehouse_stream_end(ngx_http_warehouse_stream_t *stream,
    ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = stream->request->connection;

    /* HTTP/2 keeps a request until what it has sent is gone */

    stream->ended = 1;

    ngx_http_finalize_request(stream->request, rc);
    ngx_http_run_posted_requests(c);
}


void
ngx_http_warehouse_stream_free(ngx_http_warehouse_stream_t *stream)
{
    ngx_uint_t  i;

    for (i = 0; i < 2; i++) {
        if (stream->data[i] != NULL) {
            ngx_free(stream->data[i]);
            stream->data[i] = NULL;
        }
    }
}
