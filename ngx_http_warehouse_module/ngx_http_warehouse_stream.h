/*
 * A reply that goes on: text/event-stream to one client, as fast as it reads.
 */

#ifndef _NGX_HTTP_WAREHOUSE_STREAM_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_STREAM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


typedef struct {
    ngx_http_request_t  *request;
    u_char              *data[2];        /* being sent, and to be sent */
    size_t               size[2];        /* of those blocks */
    size_t               len;            /* to be sent */
    size_t               limit;          /* of a block */
    ngx_buf_t           *buf;            /* of the one that is being sent */
    unsigned             busy:1;         /* it is */
    unsigned             full:1;         /* something found no room */
    unsigned             closing:1;      /* no more is to come */
    unsigned             ended:1;        /* nor is anything sent */
} ngx_http_warehouse_stream_t;


/*
 * Begins the reply: its header, unless it is of a HEAD.  At most limit bytes wait
 * for a slow client.  NGX_OK: it goes on; otherwise what a content handler
 * returns.
 */
ngx_int_t ngx_http_warehouse_stream_open(ngx_http_warehouse_stream_t *stream,
    ngx_http_request_t *r, size_t limit);

/* Whether what is put is sent: not where the stream is closed, cut off or broken. */
ngx_uint_t ngx_http_warehouse_stream_goes_on(
    const ngx_http_warehouse_stream_t *stream);

/* Puts text behind what is to be sent, or sets full. */
void ngx_http_warehouse_stream_put(ngx_http_warehouse_stream_t *stream,
    const void *text, size_t len);

/*
 * Sends what there is, as far as the client takes it; the rest goes as it reads.
 * The request may be gone afterwards.
 */
void ngx_http_warehouse_stream_flush(ngx_http_warehouse_stream_t *stream);

/* Ends the reply when all is sent, or cuts it off.  The same holds. */
void ngx_http_warehouse_stream_close(ngx_http_warehouse_stream_t *stream);
void ngx_http_warehouse_stream_cut(ngx_http_warehouse_stream_t *stream);

/* Gives the memory back: the request ends. */
void ngx_http_warehouse_stream_free(ngx_http_warehouse_stream_t *stream);


#endif /* _NGX_HTTP_WAREHOUSE_STREAM_H_INCLUDED_ */
