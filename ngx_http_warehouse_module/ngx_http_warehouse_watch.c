#include "ngx_http_warehouse_watch.h"
#include "ngx_http_warehouse_lanes.h"
#include "ngx_http_warehouse_outcomes.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_TICK  2       /* ms between two looks */
#define NGX_HTTP_WAREHOUSE_SOON  1       /* the same, with more to tell */
#define NGX_HTTP_WAREHOUSE_TURN  250     /* told in one turn of the loop */


static void ngx_http_warehouse_watch_tick(ngx_event_t *ev);
static ngx_int_t ngx_http_warehouse_watch_look(
    ngx_http_warehouse_watch_t *watch, ngx_http_warehouse_reader_t *reader);
static ngx_int_t ngx_http_warehouse_watch_lanes(
    ngx_http_warehouse_watch_t *watch, ngx_http_warehouse_reader_t *reader);
static ngx_int_t ngx_http_warehouse_watch_processed(
    ngx_http_warehouse_watch_t *watch, ngx_http_warehouse_lane_t *lane,
    ngx_http_warehouse_reader_t *reader, int64_t next, ngx_uint_t *n);


void
ngx_http_warehouse_watch_init(ngx_http_warehouse_watch_t *watch,
    const ngx_http_warehouse_watch_db_t *ask, void *db, ngx_log_t *log)
{
    watch->ask = ask;
    watch->db = db;

    ngx_http_warehouse_lanes_init(&watch->lanes, &watch->sentinel);
    ngx_queue_init(&watch->due);

    watch->tick.handler = ngx_http_warehouse_watch_tick;
    watch->tick.data = watch;
    watch->tick.log = log;
}


void
ngx_http_warehouse_watch_close(ngx_http_warehouse_watch_t *watch)
{
    ngx_queue_t                *q;
    ngx_http_warehouse_lane_t  *lane;

    while (watch->lanes.root != &watch->sentinel) {
        /* the last one takes its lane with it */
        lane = ngx_rbtree_data(watch->lanes.root, ngx_http_warehouse_lane_t,
                               node);
        ngx_http_warehouse_watch_cancel(ngx_http_warehouse_lane_first(lane));
    }

    while (!ngx_queue_empty(&watch->due)) {
        q = ngx_queue_head(&watch->due);
        ngx_http_warehouse_watch_cancel(ngx_queue_data(q,
                                         ngx_http_warehouse_awaited_t, queue));
    }

    if (watch->tick.timer_set) {
        ngx_del_timer(&watch->tick);
    }
}


ngx_int_t
ngx_http_warehouse_watch_await(ngx_http_warehouse_watch_t *watch,
    ngx_str_t *topic, int32_t partition, ngx_http_warehouse_awaited_t *awaited)
{
    ngx_http_warehouse_lane_t  *lane;

    lane = ngx_http_warehouse_lane(&watch->lanes, topic, partition);
    if (lane == NULL) {
        return NGX_ERROR;
    }

    awaited->watch = watch;

    ngx_http_warehouse_lane_add(lane, awaited);

    ngx_http_warehouse_watch_observe(watch);

    return NGX_OK;
}


void
ngx_http_warehouse_watch_observe(ngx_http_warehouse_watch_t *watch)
{
    watch->stale = 1;

    if (!watch->tick.timer_set) {
        ngx_add_timer(&watch->tick, NGX_HTTP_WAREHOUSE_TICK);
    }
}


int32_t
ngx_http_warehouse_watch_partition(const ngx_http_warehouse_awaited_t *awaited)
{
    return awaited->lane->partition;
}


void
ngx_http_warehouse_watch_cancel(ngx_http_warehouse_awaited_t *awaited)
{
    ngx_http_warehouse_lane_t  *lane;

    if (awaited->watch == NULL) {
        return;
    }

    lane = awaited->lane;

    if (lane == NULL) {
        ngx_queue_remove(&awaited->queue);

    } else {
        ngx_http_warehouse_lane_remove(awaited);

        if (ngx_http_warehouse_lane_first(lane) == NULL) {
            ngx_http_warehouse_lane_free(&awaited->watch->lanes, lane);
        }
    }

    awaited->watch = NULL;
}


static void
ngx_http_warehouse_watch_tick(ngx_event_t *ev)
{
    ngx_queue_t                   *q;
    ngx_http_warehouse_watch_t    *watch;
    ngx_http_warehouse_reader_t   *reader;
    ngx_http_warehouse_awaited_t  *awaited;

    watch = ev->data;

    watch->stale |= watch->more;
    watch->more = 0;

    ngx_http_warehouse_count(polls);

    if (watch->ask->begin(watch->db, watch->stale, &reader) == NGX_OK) {
        watch->stale = 0;

        if (ngx_http_warehouse_watch_look(watch, reader) != NGX_OK) {
            watch->stale = 1;
        }

        watch->ask->end(watch->db);
    }

    /* an answer may end the wait of others */

    while (!ngx_queue_empty(&watch->due)) {
        q = ngx_queue_head(&watch->due);
        ngx_queue_remove(q);

        awaited = ngx_queue_data(q, ngx_http_warehouse_awaited_t, queue);
        awaited->watch = NULL;
        awaited->handler(awaited);
    }

    if (watch->observer && watch->observer->active) {
        watch->observer->tell(watch->observer->data);
    }

    if (!ev->timer_set
        && (watch->lanes.root != &watch->sentinel
            || (watch->observer && watch->observer->active)))
    {
        /* none of 0 ms: it would be run before anything else */

        ngx_add_timer(ev, watch->more ? NGX_HTTP_WAREHOUSE_SOON
                                      : NGX_HTTP_WAREHOUSE_TICK);
    }
}


/*
 * Finds those whose time has come: as many as one turn may take.  NGX_OK;
 * NGX_ERROR: not all that there is was looked at.
 */

static ngx_int_t
ngx_http_warehouse_watch_look(ngx_http_warehouse_watch_t *watch,
    ngx_http_warehouse_reader_t *reader)
{
    ngx_int_t                       rc;
    ngx_http_warehouse_observer_t  *observer;

    rc = ngx_http_warehouse_outcomes_open(reader);

    if (rc != NGX_OK) {
        /* an older daemon's: nothing to see before it is upgraded */
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    rc = ngx_http_warehouse_watch_lanes(watch, reader);

    observer = watch->observer;

    if (observer != NULL && observer->active > 0) {
        observer->again = 0;
        watch->more |= (observer->read(observer->data, reader) != 0);

        if (observer->again) {
            return NGX_ERROR;
        }
    }

    return (rc == NGX_AGAIN) ? NGX_OK : rc;
}


/*
 * Clients name whatever partitions they like: those that the database does not
 * know are passed over together.  NGX_OK; NGX_AGAIN: that is enough for one
 * turn; NGX_ERROR.
 */

static ngx_int_t
ngx_http_warehouse_watch_lanes(ngx_http_warehouse_watch_t *watch,
    ngx_http_warehouse_reader_t *reader)
{
    int32_t                     known;
    int64_t                     from, next;
    ngx_int_t                   rc;
    ngx_str_t                   topic;
    ngx_uint_t                  n;
    ngx_http_warehouse_lane_t  *lane;

    n = 0;
    ngx_str_null(&topic);

    for (from = 0;
         (lane = ngx_http_warehouse_lane_from(&watch->lanes, &topic, from))
         != NULL;
         /* void */)
    {
        topic = lane->topic;
        known = lane->partition;

        rc = ngx_http_warehouse_outcomes_next_from(reader, &topic, &known,
                                                   &next);
        if (rc == NGX_ERROR) {
            return rc;
        }

        from = (rc == NGX_OK) ? known : NGX_MAX_INT32_VALUE + (int64_t) 1;

        if (rc == NGX_OK && known == lane->partition) {

            rc = ngx_http_warehouse_watch_processed(watch, lane, reader, next,
                                                    &n);
            if (rc != NGX_OK) {
                return rc;
            }

            from++;
        }
    }

    return NGX_OK;
}


/* What waits in a partition whose first offset not processed is next. */

static ngx_int_t
ngx_http_warehouse_watch_processed(ngx_http_warehouse_watch_t *watch,
    ngx_http_warehouse_lane_t *lane, ngx_http_warehouse_reader_t *reader,
    int64_t next, ngx_uint_t *n)
{
    ngx_http_warehouse_awaited_t  *awaited;

    for ( ;; ) {
        awaited = ngx_http_warehouse_lane_first(lane);

        if (awaited == NULL || awaited->offset >= next) {
            break;
        }

        if ((*n)++ == NGX_HTTP_WAREHOUSE_TURN) {
            watch->more = 1;
            return NGX_AGAIN;
        }

        if (awaited->seen != NULL) {
            awaited->seen(awaited, reader);
        }

        ngx_http_warehouse_lane_remove(awaited);
        ngx_queue_insert_tail(&watch->due, &awaited->queue);
    }

    if (awaited == NULL) {
        ngx_http_warehouse_lane_free(&watch->lanes, lane);
    }

    return NGX_OK;
}
