#include "ngx_http_warehouse_behind.h"
#include "ngx_http_warehouse_subscriber.h"


#define NGX_HTTP_WAREHOUSE_AHEAD    2000     /* ms a client may be */
#define NGX_HTTP_WAREHOUSE_PASSED   2000     /* read in one turn of the loop */
#define NGX_HTTP_WAREHOUSE_PASSES   32       /* the same */


static void ngx_http_warehouse_behind_sort(ngx_http_warehouse_feed_t *feed);
static ngx_http_warehouse_subscriber_t *ngx_http_warehouse_behind_last(
    ngx_http_warehouse_feed_t *feed);
static ngx_uint_t ngx_http_warehouse_behind_before(
    ngx_http_warehouse_feed_t *feed, ngx_http_warehouse_subscriber_t *one,
    ngx_http_warehouse_subscriber_t *two);
static ngx_int_t ngx_http_warehouse_behind_pass(
    ngx_http_warehouse_feed_t *feed, ngx_http_warehouse_reader_t *reader,
    ngx_http_warehouse_subscriber_t *last, ngx_uint_t *most);
static ngx_int_t ngx_http_warehouse_behind_give(void *data,
    const ngx_http_warehouse_news_t *news);
static void ngx_http_warehouse_behind_take(
    ngx_http_warehouse_subscriber_t *s, ngx_http_warehouse_event_t *event);
static void ngx_http_warehouse_behind_reset(
    ngx_http_warehouse_subscriber_t *s);


ngx_uint_t
ngx_http_warehouse_behind(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_reader_t *reader)
{
    ngx_uint_t                        n, most;
    ngx_http_warehouse_subscriber_t  *last;

    ngx_http_warehouse_behind_sort(feed);

    most = NGX_HTTP_WAREHOUSE_PASSED;

    for (n = 0; n < NGX_HTTP_WAREHOUSE_PASSES && most > 0; n++) {

        last = ngx_http_warehouse_behind_last(feed);
        if (last == NULL) {
            return 0;
        }

        if (ngx_http_warehouse_behind_pass(feed, reader, last, &most)
            != NGX_OK)
        {
            return 0;
        }
    }

    return 1;
}


/* Those who have nothing to read of what was. */

static void
ngx_http_warehouse_behind_sort(ngx_http_warehouse_feed_t *feed)
{
    ngx_queue_t                      *q, *next;
    ngx_http_warehouse_subscriber_t  *s;

    for (q = ngx_queue_head(&feed->behind);
         q != ngx_queue_sentinel(&feed->behind);
         q = next)
    {
        next = ngx_queue_next(q);
        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, behind_link);

        if (!s->begun) {
            continue;
        }

        if (s->next == -1) {
            /* from now on */
            ngx_http_warehouse_subscriber_join(s);
            ngx_http_warehouse_subscriber_id(s, "");
            continue;
        }

        feed->observer.again = 1;

        /* or it comes from another node, which is ahead of this one */

        if (s->next > feed->next
            && ngx_current_msec - s->since >= NGX_HTTP_WAREHOUSE_AHEAD)
        {
            ngx_http_warehouse_behind_reset(s);
        }
    }
}


/*
 * The furthest behind of those who have sent what they got before, and have room
 * for more; those who are further go along.  Who has come since the round began
 * is of the next one: otherwise, as long as others come who have further to go,
 * nobody gets there.  NULL: there is none.
 */

static ngx_http_warehouse_subscriber_t *
ngx_http_warehouse_behind_last(ngx_http_warehouse_feed_t *feed)
{
    ngx_queue_t                      *q;
    ngx_http_warehouse_subscriber_t  *s, *last;

    last = NULL;

    for (q = ngx_queue_head(&feed->behind);
         q != ngx_queue_sentinel(&feed->behind);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, behind_link);

        s->along = s->begun && !s->stream.busy && s->next <= feed->next
                   && ngx_http_warehouse_subscriber_room(s) > 0;

        if (s->along
            && (last == NULL
                || ngx_http_warehouse_behind_before(feed, s, last)))
        {
            last = s;
        }
    }

    if (last == NULL) {
        return NULL;
    }

    feed->round = ngx_max(feed->round, last->round);

    for (q = ngx_queue_head(&feed->behind);
         q != ngx_queue_sentinel(&feed->behind);
         q = ngx_queue_next(q))
    {
        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, behind_link);

        if (s->next < last->next) {
            s->along = 0;
        }
    }

    return last;
}


static ngx_uint_t
ngx_http_warehouse_behind_before(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_subscriber_t *one,
    ngx_http_warehouse_subscriber_t *two)
{
    ngx_uint_t  one_waits, two_waits;

    one_waits = one->round > feed->round;
    two_waits = two->round > feed->round;

    return (one_waits == two_waits) ? one->next < two->next : two_waits;
}


/*
 * From the last one on, until he has no more room: one who reads slowly does not
 * keep the others from reading what he does not.  NGX_OK; NGX_ERROR, for now.
 */

static ngx_int_t
ngx_http_warehouse_behind_pass(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_reader_t *reader, ngx_http_warehouse_subscriber_t *last,
    ngx_uint_t *most)
{
    int64_t                           next;
    ngx_int_t                         rc;
    ngx_queue_t                      *q, *following;
    ngx_http_warehouse_subscriber_t  *s;

    next = last->next;
    feed->last = last;

    rc = ngx_http_warehouse_outcomes_feed(reader, &next, feed->next, most,
                                          ngx_http_warehouse_behind_give,
                                          feed);

    if (rc == NGX_ERROR && reader->rc != WH_ERROR) {
        return NGX_ERROR;
    }

    for (q = ngx_queue_head(&feed->behind);
         q != ngx_queue_sentinel(&feed->behind);
         q = following)
    {
        following = ngx_queue_next(q);
        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, behind_link);

        if (!s->along || s->next > next) {
            continue;
        }

        s->next = next;

        if (rc == NGX_OK) {
            ngx_http_warehouse_subscriber_join(s);

            /* there may have been nothing for it */

            if (ngx_http_warehouse_subscriber_room(s) > 0) {
                ngx_http_warehouse_subscriber_id(s, "");
            }

        } else if (rc != NGX_AGAIN) {
            /* some are missing; a damaged row will not become a good one */
            ngx_http_warehouse_behind_reset(s);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_behind_give(void *data,
    const ngx_http_warehouse_news_t *news)
{
    ngx_http_warehouse_feed_t *feed = data;

    ngx_http_warehouse_subscriber_offer(feed, &feed->broad_behind, news,
                                        ngx_http_warehouse_behind_take);

    return feed->last->along ? NGX_OK : NGX_AGAIN;
}


static void
ngx_http_warehouse_behind_take(ngx_http_warehouse_subscriber_t *s,
    ngx_http_warehouse_event_t *event)
{
    int64_t  position;

    position = event->news->kept->notified;

    if (!s->behind || !s->along || position < s->next) {
        return;
    }

    s->next = position;

    if (ngx_http_warehouse_subscriber_room(s) == 0) {
        s->along = 0;
        return;
    }

    ngx_http_warehouse_subscriber_give(s, event);
    s->next++;
}


static void
ngx_http_warehouse_behind_reset(ngx_http_warehouse_subscriber_t *s)
{
    ngx_http_warehouse_subscriber_join(s);
    ngx_http_warehouse_subscriber_reset(s);
}
