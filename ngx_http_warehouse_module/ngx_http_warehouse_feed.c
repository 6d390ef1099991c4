#include "ngx_http_warehouse_feed.h"
#include "ngx_http_warehouse_behind.h"
#include "ngx_http_warehouse_points.h"
#include "ngx_http_warehouse_subscriber.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_NEWS  2000      /* read in one turn of the loop */
#define NGX_HTTP_WAREHOUSE_LOOK  100       /* ms between looks for heartbeats */


static ngx_uint_t ngx_http_warehouse_feed_read(void *data,
    ngx_http_warehouse_reader_t *reader);
static ngx_int_t ngx_http_warehouse_feed_live(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_reader_t *reader, int64_t position);
static ngx_int_t ngx_http_warehouse_feed_spread(void *data,
    const ngx_http_warehouse_news_t *news);
static void ngx_http_warehouse_feed_give(ngx_http_warehouse_subscriber_t *s,
    ngx_http_warehouse_event_t *event);
static void ngx_http_warehouse_feed_reset_all(
    ngx_http_warehouse_feed_t *feed);
static void ngx_http_warehouse_feed_tell(void *data);
static void ngx_http_warehouse_feed_heartbeats(
    ngx_http_warehouse_feed_t *feed);
static void ngx_http_warehouse_feed_close(ngx_http_warehouse_feed_t *feed);


void
ngx_http_warehouse_feed_init(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_watch_t *watch)
{
    feed->observer.read = ngx_http_warehouse_feed_read;
    feed->observer.tell = ngx_http_warehouse_feed_tell;
    feed->observer.data = feed;

    ngx_rbtree_init(&feed->skus, &feed->sentinel,
                    ngx_str_rbtree_insert_value);

    ngx_queue_init(&feed->broad);
    ngx_queue_init(&feed->broad_behind);
    ngx_queue_init(&feed->behind);
    ngx_queue_init(&feed->dirty);
    ngx_queue_init(&feed->quiet);

    watch->observer = &feed->observer;
}


ngx_http_warehouse_stream_t *
ngx_http_warehouse_feed_stream(ngx_http_warehouse_subscriber_t *s)
{
    return &s->stream;
}


void
ngx_http_warehouse_feed_begin(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_watch_t *watch, ngx_http_warehouse_subscriber_t *s,
    ngx_msec_t heartbeat)
{
    static const char  begin[] = "retry: 1000\n\n";

    s->begun = 1;
    s->since = ngx_current_msec;
    s->told = ngx_current_msec;
    s->heartbeat = heartbeat;

    ngx_http_warehouse_subscriber_put(s, begin, sizeof(begin) - 1);
    ngx_http_warehouse_watch_observe(watch);
}


/* In the transaction that shows what was committed. */

static ngx_uint_t
ngx_http_warehouse_feed_read(void *data, ngx_http_warehouse_reader_t *reader)
{
    ngx_http_warehouse_feed_t *feed = data;

    int64_t    position;
    ngx_int_t  rc;

    if (ngx_http_warehouse_points_position(reader, &position) != NGX_OK) {
        feed->observer.again = 1;
        return 0;
    }

    position = ngx_max(position, 0);

    rc = ngx_http_warehouse_feed_live(feed, reader, position);

    if (rc == NGX_ERROR) {
        feed->observer.again = 1;
        return 0;
    }

    /* who is behind follows up to where the others are */

    return (rc == NGX_AGAIN) ? 1 : ngx_http_warehouse_behind(feed, reader);
}


/* For those who were told of all before feed->next. */

static ngx_int_t
ngx_http_warehouse_feed_live(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_reader_t *reader, int64_t position)
{
    ngx_int_t   rc;
    ngx_uint_t  most;

    rc = NGX_DECLINED;
    most = NGX_HTTP_WAREHOUSE_NEWS;

    if (feed->live == 0) {
        feed->next = position;
    }

    if (feed->next <= position) {
        rc = ngx_http_warehouse_outcomes_feed(reader, &feed->next, position,
                                              &most,
                                              ngx_http_warehouse_feed_spread,
                                              feed);
    }

    if (rc == NGX_DECLINED || (rc == NGX_ERROR && reader->rc == WH_ERROR)) {

        /* a rebuild, another database, more than is kept, a damaged row */

        feed->next = position;
        ngx_http_warehouse_feed_reset_all(feed);
        rc = NGX_OK;
    }

    return rc;
}


static ngx_int_t
ngx_http_warehouse_feed_spread(void *data,
    const ngx_http_warehouse_news_t *news)
{
    ngx_http_warehouse_feed_t *feed = data;

    ngx_http_warehouse_subscriber_offer(feed, &feed->broad, news,
                                        ngx_http_warehouse_feed_give);

    return NGX_OK;
}


/*
 * To one who is up to date.  Where many come at once he has no room for all and
 * catches up; who is still sending what came before reads too slowly.
 */

static void
ngx_http_warehouse_feed_give(ngx_http_warehouse_subscriber_t *s,
    ngx_http_warehouse_event_t *event)
{
    if (s->behind) {
        return;
    }

    if (s->stream.busy || ngx_http_warehouse_subscriber_room(s) > 0) {
        ngx_http_warehouse_subscriber_give(s, event);
        return;
    }

    ngx_http_warehouse_subscriber_fall_behind(s, event->news->kept->notified);
}


/* Some are missing: whoever is up to date has to begin anew. */

static void
ngx_http_warehouse_feed_reset_all(ngx_http_warehouse_feed_t *feed)
{
    ngx_queue_t                      *q;
    ngx_http_warehouse_subscriber_t  *s;

    for (q = ngx_queue_head(&feed->quiet);
         q != ngx_queue_sentinel(&feed->quiet);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, quiet_link);

        if (!s->behind) {
            ngx_http_warehouse_subscriber_reset(s);
        }
    }
}


static void
ngx_http_warehouse_feed_tell(void *data)
{
    ngx_http_warehouse_feed_t *feed = data;

    ngx_queue_t                      *q;
    ngx_http_warehouse_subscriber_t  *s;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        ngx_http_warehouse_feed_close(feed);
        return;
    }

    ngx_http_warehouse_feed_heartbeats(feed);

    /* one that is cut off, or was gone, leaves the queues by itself */

    while (!ngx_queue_empty(&feed->dirty)) {
        q = ngx_queue_head(&feed->dirty);
        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, dirty_link);

        s->dirty = 0;
        ngx_queue_remove(q);

        s->told = ngx_current_msec;
        ngx_queue_remove(&s->quiet_link);
        ngx_queue_insert_tail(&feed->quiet, &s->quiet_link);

        if (s->stream.full && ngx_http_warehouse_stream_goes_on(&s->stream)) {
            ngx_http_warehouse_count(cut);
            ngx_http_warehouse_stream_cut(&s->stream);

        } else {
            ngx_http_warehouse_stream_flush(&s->stream);
        }
    }
}


/* So that a client, and whatever lies in between, knows that it is alive. */

static void
ngx_http_warehouse_feed_heartbeats(ngx_http_warehouse_feed_t *feed)
{
    ngx_queue_t                      *q;
    ngx_http_warehouse_subscriber_t  *s;

    /* all are looked at: not in each tick */

    if (ngx_current_msec - feed->looked < NGX_HTTP_WAREHOUSE_LOOK) {
        return;
    }

    feed->looked = ngx_current_msec;

    for (q = ngx_queue_head(&feed->quiet);
         q != ngx_queue_sentinel(&feed->quiet);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, quiet_link);

        if (!s->begun || s->dirty) {
            continue;
        }

        if (ngx_current_msec - s->told < s->heartbeat) {
            /* locations may differ in that: others may be due */
            continue;
        }

        if (s->behind) {
            ngx_http_warehouse_subscriber_put(s, ":\n\n", 3);

        } else {
            ngx_http_warehouse_subscriber_id(s, ":\n");
        }
    }
}


/* The worker leaves: clients come back to another one. */

static void
ngx_http_warehouse_feed_close(ngx_http_warehouse_feed_t *feed)
{
    ngx_queue_t                      *q, all;
    ngx_http_warehouse_subscriber_t  *s;

    ngx_queue_init(&all);

    if (!ngx_queue_empty(&feed->quiet)) {
        ngx_queue_add(&all, &feed->quiet);
        ngx_queue_init(&feed->quiet);
    }

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, quiet_link);

        ngx_queue_remove(q);
        ngx_queue_insert_tail(&feed->quiet, q);

        if (s->begun && !s->stream.closing) {
            ngx_http_warehouse_stream_close(&s->stream);
        }
    }
}
