#include "ngx_http_warehouse_lists.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_CROWDED                                            \
    "lists that clients are slow to take fill warehouse_items_limit"


static ngx_int_t ngx_http_warehouse_lists_build(
    ngx_http_warehouse_edition_t *e, int version);
static ngx_uint_t ngx_http_warehouse_lists_crowded(
    ngx_http_warehouse_edition_t *e);
static off_t ngx_http_warehouse_lists_held(ngx_http_warehouse_lists_t *l);
static void ngx_http_warehouse_lists_built(void *data, ngx_int_t rc);
static void ngx_http_warehouse_lists_keep(ngx_http_warehouse_edition_t *e,
    ngx_http_warehouse_snapshot_t *s);
static void ngx_http_warehouse_lists_discard(ngx_http_warehouse_edition_t *e);
static void ngx_http_warehouse_lists_late(ngx_http_warehouse_edition_t *e);
static void ngx_http_warehouse_lists_drop(ngx_event_t *ev);
static void ngx_http_warehouse_lists_answer(ngx_http_warehouse_lists_t *l,
    ngx_queue_t *queue, ngx_http_warehouse_snapshot_t *snapshot,
    ngx_uint_t crowded);
static void ngx_http_warehouse_queue_move(ngx_queue_t *to, ngx_queue_t *from);


void
ngx_http_warehouse_lists_init(ngx_http_warehouse_lists_t *l,
    ngx_http_warehouse_reader_t *reader, ngx_http_warehouse_outage_t *outage,
    ngx_log_t *log)
{
    ngx_uint_t                     i;
    ngx_http_warehouse_edition_t  *e;

    l->reader = reader;
    l->outage = outage;

    for (i = 0; i < NGX_HTTP_WAREHOUSE_FORMATS; i++) {
        e = &l->editions[i];
        e->lists = l;

        ngx_queue_init(&e->waiting);
        ngx_queue_init(&e->late);

        ngx_http_warehouse_build_init(&e->build, log);

        e->build.reader = reader;
        e->build.format = i;
        e->build.handler = ngx_http_warehouse_lists_built;
        e->build.data = e;
    }

    ngx_queue_init(&l->dropped);

    l->drop.handler = ngx_http_warehouse_lists_drop;
    l->drop.data = l;
    l->drop.log = log;
}


void
ngx_http_warehouse_lists_close(ngx_http_warehouse_lists_t *l)
{
    ngx_queue_t  *q;

    ngx_http_warehouse_lists_forget(l);

    if (l->drop.posted) {
        ngx_delete_posted_event(&l->drop);
    }

    while (!ngx_queue_empty(&l->dropped)) {
        q = ngx_queue_head(&l->dropped);
        ngx_http_warehouse_lists_cancel(ngx_queue_data(q,
                                            ngx_http_warehouse_list_waiter_t,
                                            queue));
    }
}


ngx_int_t
ngx_http_warehouse_lists_get(ngx_http_warehouse_lists_t *l, int version,
    ngx_http_warehouse_list_waiter_t *waiter,
    ngx_http_warehouse_snapshot_t **snapshot)
{
    ngx_int_t                      rc;
    ngx_uint_t                     fresh;
    ngx_http_warehouse_edition_t  *e;

    rc = NGX_AGAIN;
    e = &l->editions[waiter->format];

    if (e->current != NULL
        && ngx_http_warehouse_snapshot_version(e->current) == version)
    {
        rc = NGX_OK;

    } else if (e->build.snapshot == NULL) {
        e->room = waiter->room;
        rc = ngx_http_warehouse_lists_build(e, version);
    }

    if (rc == NGX_OK) {
        ngx_http_warehouse_snapshot_retain(e->current);
        *snapshot = e->current;
    }

    if (rc != NGX_AGAIN) {
        return rc;
    }

    /*
     * A build that began before the last commit may not show it, and who
     * asks after a commit is to see it.
     */

    fresh = (ngx_http_warehouse_snapshot_version(e->build.snapshot)
             == version);

    ngx_queue_insert_tail(fresh ? &e->waiting : &e->late, &waiter->queue);
    waiter->queued = 1;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "warehouse: \"%V\": waiting for %s list",
                   &l->reader->path, fresh ? "this" : "the next");

    return NGX_AGAIN;
}


void
ngx_http_warehouse_lists_cancel(ngx_http_warehouse_list_waiter_t *waiter)
{
    if (waiter->queued) {
        ngx_queue_remove(&waiter->queue);
        waiter->queued = 0;
    }
}


ngx_http_warehouse_snapshot_t *
ngx_http_warehouse_lists_page(ngx_http_warehouse_lists_t *l,
    const ngx_http_warehouse_room_t *room)
{
    ngx_http_warehouse_snapshot_t  *s;

    l->crowded = (ngx_http_warehouse_lists_held(l) > room->limit);

    if (l->crowded) {
        (void) ngx_http_warehouse_reader_failed(l->reader,
                                                NGX_HTTP_WAREHOUSE_CROWDED);
        return NULL;
    }

    s = ngx_http_warehouse_snapshot_create(0, room->buffer, room->temp_path,
                                           &l->live, l->drop.log);
    if (s == NULL) {
        (void) ngx_http_warehouse_reader_failed(l->reader, "out of memory");
    }

    return s;
}


/*
 * Begins a build.  version was read before the transaction, which is thus at
 * least as new.  NGX_OK: e->current is the new list; NGX_AGAIN; NGX_ERROR.
 */

static ngx_int_t
ngx_http_warehouse_lists_build(ngx_http_warehouse_edition_t *e, int version)
{
    ngx_int_t                       rc;
    ngx_http_warehouse_lists_t     *l;
    ngx_http_warehouse_snapshot_t  *s;

    l = e->lists;
    l->crowded = ngx_http_warehouse_lists_crowded(e);

    if (l->crowded) {
        return ngx_http_warehouse_reader_failed(l->reader,
                                                NGX_HTTP_WAREHOUSE_CROWDED);
    }

    s = ngx_http_warehouse_snapshot_create(version, e->room.buffer,
                                           e->room.temp_path, &l->live,
                                           l->drop.log);
    if (s == NULL) {
        return ngx_http_warehouse_reader_failed(l->reader, "out of memory");
    }

    rc = ngx_http_warehouse_build_start(&e->build, s);

    if (rc != NGX_AGAIN) {
        ngx_http_warehouse_lists_built(e, rc);

        /* its answers may have led here again, and to a close */

        if (rc == NGX_OK && e->current == NULL) {
            rc = NGX_ERROR;
        }
    }

    return rc;
}


/* Whether the lists that requests hold leave no room for one more. */

static ngx_uint_t
ngx_http_warehouse_lists_crowded(ngx_http_warehouse_edition_t *e)
{
    off_t  held, next;

    held = ngx_http_warehouse_lists_held(e->lists);
    next = (e->current != NULL) ? ngx_http_warehouse_snapshot_size(e->current)
                                : 0;

    return held > 0 && held + next > e->room.limit;
}


/*
 * Bytes of what requests hold.  The newest list goes when there is a newer one,
 * unless a request holds it, too.
 */

static off_t
ngx_http_warehouse_lists_held(ngx_http_warehouse_lists_t *l)
{
    off_t                           held;
    ngx_uint_t                      i;
    ngx_http_warehouse_snapshot_t  *s;

    held = l->live;

    for (i = 0; i < NGX_HTTP_WAREHOUSE_FORMATS; i++) {
        s = l->editions[i].current;

        if (s != NULL && ngx_http_warehouse_snapshot_alone(s)) {
            held -= ngx_http_warehouse_snapshot_size(s);
        }

        s = l->editions[i].build.snapshot;

        if (s != NULL) {
            held -= ngx_http_warehouse_snapshot_size(s);
        }
    }

    return held;
}


/* A build has ended: keeps or frees the list, answers. */

static void
ngx_http_warehouse_lists_built(void *data, ngx_int_t rc)
{
    ngx_http_warehouse_edition_t *e = data;

    ngx_queue_t                     waiting;
    ngx_http_warehouse_snapshot_t  *s;

    s = ngx_http_warehouse_build_take(&e->build);

    if (rc == NGX_OK) {
        ngx_http_warehouse_count(built[e->build.format]);
        ngx_http_warehouse_lists_keep(e, s);
        ngx_http_warehouse_outage_end(e->lists->outage);

    } else {
        ngx_http_warehouse_count(failed[e->build.format]);
    }

    /* what an answer leads to may queue anew, so the queue is taken off */

    ngx_queue_init(&waiting);
    ngx_http_warehouse_queue_move(&waiting, &e->waiting);

    ngx_http_warehouse_lists_answer(e->lists, &waiting,
                                    rc == NGX_OK ? s : NULL, 0);
    ngx_http_warehouse_snapshot_release(s);

    ngx_http_warehouse_lists_late(e);
}


/*
 * In the place of the one before, and of those of other states in other formats:
 * nobody would get these, unless they were read while this one was, and then
 * they are read again.
 */

static void
ngx_http_warehouse_lists_keep(ngx_http_warehouse_edition_t *e,
    ngx_http_warehouse_snapshot_t *s)
{
    ngx_uint_t                     i;
    ngx_http_warehouse_edition_t  *other;

    for (i = 0; i < NGX_HTTP_WAREHOUSE_FORMATS; i++) {
        other = &e->lists->editions[i];

        if (other == e
            || (other->current != NULL
                && ngx_http_warehouse_snapshot_version(other->current)
                   != ngx_http_warehouse_snapshot_version(s)))
        {
            ngx_http_warehouse_lists_discard(other);
        }
    }

    e->current = s;
    ngx_http_warehouse_snapshot_retain(s);
}


static void
ngx_http_warehouse_lists_discard(ngx_http_warehouse_edition_t *e)
{
    if (e->current != NULL) {
        ngx_http_warehouse_snapshot_release(e->current);
        e->current = NULL;
    }
}


/* The requests that came during a build, after a commit. */

static void
ngx_http_warehouse_lists_late(ngx_http_warehouse_edition_t *e)
{
    int          version;
    ngx_queue_t  waiting;

    if (e->build.snapshot != NULL || ngx_queue_empty(&e->late)) {
        return;
    }

    if (ngx_http_warehouse_reader_version(e->lists->reader, &version)
        != NGX_OK)
    {
        ngx_http_warehouse_lists_lost(e->lists);
        return;
    }

    ngx_http_warehouse_queue_move(&e->waiting, &e->late);

    if (ngx_http_warehouse_lists_build(e, version) == NGX_ERROR
        && e->build.snapshot == NULL)
    {
        /* those that wait for one that did not even begin */

        ngx_queue_init(&waiting);
        ngx_http_warehouse_queue_move(&waiting, &e->waiting);
        ngx_http_warehouse_lists_answer(e->lists, &waiting, NULL,
                                        e->lists->crowded);
    }
}


void
ngx_http_warehouse_lists_lost(ngx_http_warehouse_lists_t *l)
{
    ngx_http_warehouse_reader_close(l->reader);
    ngx_http_warehouse_lists_forget(l);
}


void
ngx_http_warehouse_lists_forget(ngx_http_warehouse_lists_t *l)
{
    ngx_uint_t                     i;
    ngx_http_warehouse_edition_t  *e;

    l->forgotten++;

    for (i = 0; i < NGX_HTTP_WAREHOUSE_FORMATS; i++) {
        e = &l->editions[i];

        ngx_http_warehouse_build_drop(&e->build);
        ngx_http_warehouse_lists_discard(e);

        ngx_http_warehouse_queue_move(&l->dropped, &e->waiting);
        ngx_http_warehouse_queue_move(&l->dropped, &e->late);
    }

    if (!ngx_queue_empty(&l->dropped) && !l->drop.posted) {
        l->why = l->reader->rc;
        l->why_err = l->reader->err;
        ngx_post_event(&l->drop, &ngx_posted_events);
    }
}


static void
ngx_http_warehouse_lists_drop(ngx_event_t *ev)
{
    ngx_queue_t                  dropped;
    ngx_http_warehouse_lists_t  *l;

    l = ev->data;

    ngx_queue_init(&dropped);
    ngx_http_warehouse_queue_move(&dropped, &l->dropped);

    l->reader->rc = l->why;
    l->reader->err = l->why_err;

    ngx_http_warehouse_lists_answer(l, &dropped, NULL, 0);
}


static void
ngx_http_warehouse_lists_answer(ngx_http_warehouse_lists_t *l,
    ngx_queue_t *queue, ngx_http_warehouse_snapshot_t *snapshot,
    ngx_uint_t crowded)
{
    ngx_queue_t                       *q;
    ngx_http_warehouse_refusal_t       refusal;
    ngx_http_warehouse_list_waiter_t  *waiter;

    /* first: what an answer leads to may meet other trouble, or none */

    for (q = ngx_queue_head(queue);
         snapshot == NULL && q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        ngx_http_warehouse_refuse(&refusal, l->outage, l->reader, crowded);
    }

    while (!ngx_queue_empty(queue)) {

        q = ngx_queue_head(queue);
        waiter = ngx_queue_data(q, ngx_http_warehouse_list_waiter_t, queue);

        ngx_http_warehouse_lists_cancel(waiter);

        if (snapshot != NULL) {
            ngx_http_warehouse_snapshot_retain(snapshot);
        }

        waiter->handler(waiter, snapshot, &refusal);
    }
}


static void
ngx_http_warehouse_queue_move(ngx_queue_t *to, ngx_queue_t *from)
{
    if (!ngx_queue_empty(from)) {
        ngx_queue_add(to, from);
        ngx_queue_init(from);
    }
}
