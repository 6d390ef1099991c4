/*
 * Building a list: all items are read in one transaction, a millisecond at a
 * time between other events.
 */

#ifndef _NGX_HTTP_WAREHOUSE_BUILD_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_BUILD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_warehouse_format.h"
#include "ngx_http_warehouse_reader.h"
#include "ngx_http_warehouse_snapshot.h"


/* What a build is told of its end. */
typedef void (*ngx_http_warehouse_build_pt)(void *data, ngx_int_t rc);


typedef struct {
    ngx_http_warehouse_reader_t        *reader;
    ngx_uint_t                          format;
    ngx_http_warehouse_build_pt         handler;
    void                               *data;

    ngx_http_warehouse_snapshot_t      *snapshot;    /* or NULL: none is built */
    ngx_msec_t                          begun;
    ngx_event_t                         slice;
    ngx_event_t                         hold;        /* set while it goes on */
} ngx_http_warehouse_build_t;


/* No build; reader, format, handler and data are the caller's to set. */
void ngx_http_warehouse_build_init(ngx_http_warehouse_build_t *build,
    ngx_log_t *log);

/*
 * Begins to fill snapshot, which becomes the build's, and does a first slice,
 * which for most lists is all.  NGX_OK: the list is complete; NGX_ERROR:
 * reader->rc says why not; NGX_AGAIN: handler will be told one of these.
 */
ngx_int_t ngx_http_warehouse_build_start(ngx_http_warehouse_build_t *build,
    ngx_http_warehouse_snapshot_t *snapshot);

/* Hands over the snapshot, complete or not; NULL: there is none. */
ngx_http_warehouse_snapshot_t *ngx_http_warehouse_build_take(
    ngx_http_warehouse_build_t *build);

/* Gives up a build, if there is one, whose reader was closed. */
void ngx_http_warehouse_build_drop(ngx_http_warehouse_build_t *build);


#endif /* _NGX_HTTP_WAREHOUSE_BUILD_H_INCLUDED_ */
