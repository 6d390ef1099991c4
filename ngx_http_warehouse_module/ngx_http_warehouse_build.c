#include "ngx_http_warehouse_build.h"
#include "ngx_http_warehouse_list.h"

#include <time.h>


#define NGX_HTTP_WAREHOUSE_SLICE    1000     /* us of building in one go */
#define NGX_HTTP_WAREHOUSE_LATE     3000     /* ms, then five times as much */
#define NGX_HTTP_WAREHOUSE_ROWS     32       /* rows between two looks */
#define NGX_HTTP_WAREHOUSE_LONGEST  10000    /* ms: the daemon counts on it */


static ngx_int_t ngx_http_warehouse_build_slice(
    ngx_http_warehouse_build_t *build);
static ngx_uint_t ngx_http_warehouse_build_over(const struct timespec *begin,
    ngx_uint_t us);
static ngx_int_t ngx_http_warehouse_build_failed(
    ngx_http_warehouse_build_t *build);
static void ngx_http_warehouse_build_event(ngx_event_t *ev);
static void ngx_http_warehouse_build_hold(ngx_event_t *ev);
static void ngx_http_warehouse_build_end(ngx_http_warehouse_build_t *build);
static void ngx_http_warehouse_build_stop(ngx_http_warehouse_build_t *build);


void
ngx_http_warehouse_build_init(ngx_http_warehouse_build_t *build,
    ngx_log_t *log)
{
    build->slice.handler = ngx_http_warehouse_build_event;
    build->slice.data = build;
    build->slice.log = log;

    build->hold.handler = ngx_http_warehouse_build_hold;
    build->hold.data = build;
    build->hold.log = log;
}


ngx_int_t
ngx_http_warehouse_build_start(ngx_http_warehouse_build_t *build,
    ngx_http_warehouse_snapshot_t *snapshot)
{
    ngx_int_t  rc;

    build->snapshot = snapshot;
    build->begun = ngx_current_msec;

    rc = NGX_ERROR;

    if (ngx_http_warehouse_reader_begin(build->reader, build->format) == NGX_OK) {
        rc = (ngx_http_warehouse_list_begin(snapshot,
                             &ngx_http_warehouse_formats[build->format])
              == NGX_OK)
             ? ngx_http_warehouse_build_slice(build)
             : ngx_http_warehouse_build_failed(build);
    }

    if (rc == NGX_AGAIN) {

        /* a worker that shuts down leaves when no such timer is set */
        ngx_add_timer(&build->hold, NGX_HTTP_WAREHOUSE_LONGEST);

        ngx_post_event(&build->slice, &ngx_posted_next_events);

    } else {
        ngx_http_warehouse_build_end(build);
    }

    return rc;
}


static ngx_int_t
ngx_http_warehouse_build_slice(ngx_http_warehouse_build_t *build)
{
    int64_t                             position;
    ngx_int_t                           rc;
    ngx_uint_t                          n, us;
    struct timespec                     begin;
    ngx_http_warehouse_item_t           item;
    const ngx_http_warehouse_format_t  *format;

    format = &ngx_http_warehouse_formats[build->format];

    /* where other events leave a build little time it takes more at once */

    us = NGX_HTTP_WAREHOUSE_SLICE;

    if (ngx_current_msec - build->begun > NGX_HTTP_WAREHOUSE_LATE) {
        us *= 5;
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &begin);

    for (n = 1; ; n++) {

        rc = ngx_http_warehouse_reader_next(build->reader, build->format,
                                            &item);

        if (rc != NGX_OK) {
            break;
        }

        if (ngx_http_warehouse_list_item(build->snapshot, format, &item)
            != NGX_OK)
        {
            return ngx_http_warehouse_build_failed(build);
        }

        if (n % NGX_HTTP_WAREHOUSE_ROWS == 0
            && ngx_http_warehouse_build_over(&begin, us))
        {
            return NGX_AGAIN;
        }
    }

    if (rc != NGX_DONE
        || ngx_http_warehouse_reader_position(build->reader, build->format,
                                              &position)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return (ngx_http_warehouse_list_end(build->snapshot, format, position)
            == NGX_OK)
           ? NGX_OK : ngx_http_warehouse_build_failed(build);
}


static ngx_uint_t
ngx_http_warehouse_build_over(const struct timespec *begin, ngx_uint_t us)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return (now.tv_sec - begin->tv_sec) * 1000000
           + (now.tv_nsec - begin->tv_nsec) / 1000 >= (long) us;
}


static ngx_int_t
ngx_http_warehouse_build_failed(ngx_http_warehouse_build_t *build)
{
    return ngx_http_warehouse_reader_failed(build->reader,
                          ngx_http_warehouse_snapshot_error(build->snapshot));
}


static void
ngx_http_warehouse_build_event(ngx_event_t *ev)
{
    ngx_int_t                    rc;
    ngx_http_warehouse_build_t  *build;

    build = ev->data;
    rc = ngx_http_warehouse_build_slice(build);

    if (rc == NGX_AGAIN) {
        ngx_post_event(&build->slice, &ngx_posted_next_events);
        return;
    }

    ngx_http_warehouse_build_end(build);
    build->handler(build->data, rc);
}


/*
 * The build keeps the log of the database from being truncated for too long:
 * it is given up.
 */

static void
ngx_http_warehouse_build_hold(ngx_event_t *ev)
{
    ngx_http_warehouse_build_t  *build;

    build = ev->data;

    (void) ngx_http_warehouse_reader_failed(build->reader, "reading the items "
                                            "takes too long");

    ngx_http_warehouse_build_end(build);
    build->handler(build->data, NGX_ERROR);
}


static void
ngx_http_warehouse_build_end(ngx_http_warehouse_build_t *build)
{
    ngx_http_warehouse_build_stop(build);
    ngx_http_warehouse_reader_end(build->reader, build->format);

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "warehouse: list of %O bytes read in %M ms",
                   ngx_http_warehouse_snapshot_size(build->snapshot),
                   ngx_current_msec - build->begun);
}


static void
ngx_http_warehouse_build_stop(ngx_http_warehouse_build_t *build)
{
    if (build->slice.posted) {
        ngx_delete_posted_event(&build->slice);
    }

    if (build->hold.timer_set) {
        ngx_del_timer(&build->hold);
    }
}


ngx_http_warehouse_snapshot_t *
ngx_http_warehouse_build_take(ngx_http_warehouse_build_t *build)
{
    ngx_http_warehouse_snapshot_t  *snapshot;

    snapshot = build->snapshot;
    build->snapshot = NULL;

    return snapshot;
}


void
ngx_http_warehouse_build_drop(ngx_http_warehouse_build_t *build)
{
    ngx_http_warehouse_build_stop(build);

    if (build->snapshot != NULL) {
        ngx_http_warehouse_snapshot_release(build->snapshot);
        build->snapshot = NULL;
    }
}
