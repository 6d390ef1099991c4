#include "ngx_http_warehouse_watch.h"
#include "ngx_http_warehouse_outcomes.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_TICK  2       /* ms between two looks */
#define NGX_HTTP_WAREHOUSE_SOON  1       /* the same, with more to tell */
#define NGX_HTTP_WAREHOUSE_TURN  250     /* told in one turn of the loop */


/* Those that wait for positions in one partition. */

struct ngx_http_warehouse_lane_s {
    ngx_queue_t         link;
    ngx_str_t           topic;
    int32_t             partition;
    ngx_rbtree_t        tree;         /* by offset */
    ngx_rbtree_node_t   sentinel;
};


static ngx_http_warehouse_lane_t *ngx_http_warehouse_watch_lane(
    ngx_http_warehouse_watch_t *watch, ngx_str_t *topic, int32_t partition);
static void ngx_http_warehouse_watch_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_http_warehouse_awaited_t *ngx_http_warehouse_watch_first(
    ngx_http_warehouse_lane_t *lane);
static void ngx_http_warehouse_watch_leave(
    ngx_http_warehouse_awaited_t *awaited);
static void ngx_http_warehouse_watch_tick(ngx_event_t *ev);
static ngx_int_t ngx_http_warehouse_watch_look(
    ngx_http_warehouse_watch_t *watch, ngx_http_warehouse_reader_t *reader);
static ngx_int_t ngx_http_warehouse_watch_processed(
    ngx_http_warehouse_watch_t *watch, ngx_http_warehouse_lane_t *lane,
    ngx_http_warehouse_reader_t *reader, ngx_uint_t *n);


void
ngx_http_warehouse_watch_init(ngx_http_warehouse_watch_t *watch,
    const ngx_http_warehouse_watch_db_t *ask, void *db, ngx_log_t *log)
{
    watch->ask = ask;
    watch->db = db;

    ngx_queue_init(&watch->lanes);
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

    while (!ngx_queue_empty(&watch->lanes)) {
        q = ngx_queue_head(&watch->lanes);
        lane = ngx_queue_data(q, ngx_http_warehouse_lane_t, link);

        /* the last one takes the lane with it */
        ngx_http_warehouse_watch_cancel(ngx_http_warehouse_watch_first(lane));
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

    lane = ngx_http_warehouse_watch_lane(watch, topic, partition);
    if (lane == NULL) {
        return NGX_ERROR;
    }

    awaited->watch = watch;
    awaited->lane = lane;

    ngx_rbtree_insert(&lane->tree, &awaited->node);

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


static ngx_http_warehouse_lane_t *
ngx_http_warehouse_watch_lane(ngx_http_warehouse_watch_t *watch,
    ngx_str_t *topic, int32_t partition)
{
    ngx_queue_t                *q;
    ngx_http_warehouse_lane_t  *lane;

    for (q = ngx_queue_head(&watch->lanes);
         q != ngx_queue_sentinel(&watch->lanes);
         q = ngx_queue_next(q))
    {
        lane = ngx_queue_data(q, ngx_http_warehouse_lane_t, link);

        /* none of either is a NULL, which memcmp() must not be given */

        if (lane->partition == partition && lane->topic.len == topic->len
            && (topic->len == 0
                || ngx_memcmp(lane->topic.data, topic->data, topic->len) == 0))
        {
            return lane;
        }
    }

    lane = ngx_alloc(sizeof(ngx_http_warehouse_lane_t), ngx_cycle->log);
    if (lane == NULL) {
        return NULL;
    }

    lane->topic = *topic;
    lane->partition = partition;

    ngx_rbtree_init(&lane->tree, &lane->sentinel,
                    ngx_http_warehouse_watch_insert);
    ngx_queue_insert_tail(&watch->lanes, &lane->link);

    return lane;
}


static void
ngx_http_warehouse_watch_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t             **p;
    ngx_http_warehouse_awaited_t   *a, *b;

    a = ngx_rbtree_data(node, ngx_http_warehouse_awaited_t, node);

    for ( ;; ) {
        b = ngx_rbtree_data(temp, ngx_http_warehouse_awaited_t, node);
        p = (a->offset < b->offset) ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


/* NULL: there is none. */

static ngx_http_warehouse_awaited_t *
ngx_http_warehouse_watch_first(ngx_http_warehouse_lane_t *lane)
{
    if (lane->tree.root == &lane->sentinel) {
        return NULL;
    }

    return ngx_rbtree_data(ngx_rbtree_min(lane->tree.root, &lane->sentinel),
                           ngx_http_warehouse_awaited_t, node);
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
        ngx_http_warehouse_watch_leave(awaited);

        if (lane->tree.root == &lane->sentinel) {
            ngx_queue_remove(&lane->link);
            ngx_free(lane);
        }
    }

    awaited->watch = NULL;
}


static void
ngx_http_warehouse_watch_leave(ngx_http_warehouse_awaited_t *awaited)
{
    ngx_rbtree_delete(&awaited->lane->tree, &awaited->node);
    awaited->lane = NULL;
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
        && (!ngx_queue_empty(&watch->lanes)
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
    ngx_uint_t                      n;
    ngx_queue_t                    *q, *next;
    ngx_http_warehouse_lane_t      *lane;
    ngx_http_warehouse_observer_t  *observer;

    rc = ngx_http_warehouse_outcomes_open(reader);

    if (rc != NGX_OK) {
        /* an older daemon's: nothing to see before it is upgraded */
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    n = 0;

    for (q = ngx_queue_head(&watch->lanes);
         rc == NGX_OK && q != ngx_queue_sentinel(&watch->lanes);
         q = next)
    {
        next = ngx_queue_next(q);
        lane = ngx_queue_data(q, ngx_http_warehouse_lane_t, link);

        rc = ngx_http_warehouse_watch_processed(watch, lane, reader, &n);
    }

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


/* NGX_OK; NGX_AGAIN: that is enough for one turn; NGX_ERROR. */

static ngx_int_t
ngx_http_warehouse_watch_processed(ngx_http_warehouse_watch_t *watch,
    ngx_http_warehouse_lane_t *lane, ngx_http_warehouse_reader_t *reader,
    ngx_uint_t *n)
{
    int64_t                        next;
    ngx_http_warehouse_awaited_t  *awaited;

    if (ngx_http_warehouse_outcomes_next(reader, &lane->topic,
                                         lane->partition, &next)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for ( ;; ) {
        awaited = ngx_http_warehouse_watch_first(lane);

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

        ngx_http_warehouse_watch_leave(awaited);
        ngx_queue_insert_tail(&watch->due, &awaited->queue);
    }

    if (awaited == NULL) {
        ngx_queue_remove(&lane->link);
        ngx_free(lane);
    }

    return NGX_OK;
}
