#include "ngx_http_warehouse_db.h"
#include "ngx_http_warehouse_reader.h"
#include "wh_json.h"

#include <time.h>


#define NGX_HTTP_WAREHOUSE_SLICE   1000      /* us of building in one go */
#define NGX_HTTP_WAREHOUSE_LATE    3000      /* ms, then five times as much */
#define NGX_HTTP_WAREHOUSE_ROWS    32        /* rows between two looks */
#define NGX_HTTP_WAREHOUSE_LONGEST 10000     /* ms: consumer/store counts on it */


struct ngx_http_warehouse_db_s {
    ngx_http_warehouse_reader_t     reader;

    ngx_http_warehouse_snapshot_t  *current;    /* the newest, or NULL */
    ngx_http_warehouse_snapshot_t  *building;   /* or NULL */
    ngx_queue_t                     waiting;    /* for the one being built */
    ngx_queue_t                     late;       /* for the one after it */
    ngx_queue_t                     dropped;    /* the database went away */
    int                             why;        /* as reader.rc was then */
    wh_error_t                      why_err;
    ngx_event_t                     slice;
    ngx_event_t                     drop;
    ngx_event_t                     hold;       /* set while one is built */
    ngx_msec_t                      begun;      /* the build was */
    ngx_http_warehouse_room_t       room;
    off_t                           live;       /* bytes of all snapshots */
    ngx_http_warehouse_outage_t     outage;
    unsigned                        crowded:1;  /* no room for a new one */
};


static void ngx_http_warehouse_db_cleanup(void *data);
static ngx_int_t ngx_http_warehouse_db_look(ngx_http_warehouse_db_t *db,
    int *version);
static ngx_int_t ngx_http_warehouse_db_open(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_refuse(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_refusal_t *refusal);
static ngx_uint_t ngx_http_warehouse_db_crowded(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_close(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_forget(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_drop(ngx_event_t *ev);

static ngx_int_t ngx_http_warehouse_build_start(ngx_http_warehouse_db_t *db,
    int version);
static ngx_int_t ngx_http_warehouse_build_slice(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_build_event(ngx_event_t *ev);
static void ngx_http_warehouse_build_hold(ngx_event_t *ev);
static void ngx_http_warehouse_build_end(ngx_http_warehouse_db_t *db,
    ngx_int_t rc);
static void ngx_http_warehouse_build_answer(ngx_http_warehouse_db_t *db,
    ngx_queue_t *queue, ngx_http_warehouse_snapshot_t *snapshot);
static void ngx_http_warehouse_queue_move(ngx_queue_t *to, ngx_queue_t *from);
static void ngx_http_warehouse_build_late(ngx_http_warehouse_db_t *db);
static ngx_int_t ngx_http_warehouse_build_item(ngx_http_warehouse_db_t *db,
    const ngx_http_warehouse_item_t *item);
static ngx_int_t ngx_http_warehouse_build_byte(ngx_http_warehouse_db_t *db,
    u_char byte);
static ngx_int_t ngx_http_warehouse_build_failed(ngx_http_warehouse_db_t *db,
    const char *why);


ngx_http_warehouse_db_t *
ngx_http_warehouse_db_create(ngx_conf_t *cf, ngx_str_t *path)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_warehouse_db_t  *db;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_warehouse_db_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_warehouse_db_cleanup;
    db = cln->data;

    ngx_memzero(db, sizeof(ngx_http_warehouse_db_t));

    ngx_queue_init(&db->waiting);
    ngx_queue_init(&db->late);
    ngx_queue_init(&db->dropped);

    if (ngx_http_warehouse_reader_init(&db->reader, cf->pool, path) != NGX_OK) {
        return NULL;
    }

    db->outage.name = *path;

    db->slice.handler = ngx_http_warehouse_build_event;
    db->slice.data = db;
    db->slice.log = &cf->cycle->new_log;

    db->drop.handler = ngx_http_warehouse_db_drop;
    db->drop.data = db;
    db->drop.log = &cf->cycle->new_log;

    db->hold.handler = ngx_http_warehouse_build_hold;
    db->hold.data = db;
    db->hold.log = &cf->cycle->new_log;

    return db;
}


ngx_str_t *
ngx_http_warehouse_db_path(ngx_http_warehouse_db_t *db)
{
    return &db->reader.path;
}


/* The process ends: nobody can be answered any more. */

static void
ngx_http_warehouse_db_cleanup(void *data)
{
    ngx_http_warehouse_db_t *db = data;

    ngx_queue_t  *q;

    ngx_http_warehouse_db_close(db);

    if (db->drop.posted) {
        ngx_delete_posted_event(&db->drop);
    }

    while (!ngx_queue_empty(&db->dropped)) {
        q = ngx_queue_head(&db->dropped);
        ngx_http_warehouse_db_cancel(
                        ngx_queue_data(q, ngx_http_warehouse_ctx_t, queue));
    }
}


/*
 * Makes sure that the file at the path is the one that is open.  NGX_OK,
 * NGX_DECLINED.
 */

static ngx_int_t
ngx_http_warehouse_db_open(ngx_http_warehouse_db_t *db)
{
    ngx_int_t  rc;

    rc = ngx_http_warehouse_reader_open(&db->reader);

    if (rc == NGX_DONE) {
        /* for who waits */
        (void) ngx_http_warehouse_build_failed(db, "the database was replaced");
    }

    if (rc != NGX_OK) {
        ngx_http_warehouse_db_forget(db);
    }

    return (rc == NGX_DONE) ? NGX_OK : rc;
}


static void
ngx_http_warehouse_db_close(ngx_http_warehouse_db_t *db)
{
    ngx_http_warehouse_reader_close(&db->reader);
    ngx_http_warehouse_db_forget(db);
}


/*
 * Gives up what was read from a file that is no longer open, and a build that
 * is under way.  Who waits for it is answered from an event of its own: an
 * answer may lead back here.
 */

static void
ngx_http_warehouse_db_forget(ngx_http_warehouse_db_t *db)
{
    if (db->slice.posted) {
        ngx_delete_posted_event(&db->slice);
    }

    if (db->hold.timer_set) {
        ngx_del_timer(&db->hold);
    }

    ngx_http_warehouse_queue_move(&db->dropped, &db->waiting);
    ngx_http_warehouse_queue_move(&db->dropped, &db->late);

    if (!ngx_queue_empty(&db->dropped) && !db->drop.posted) {
        db->why = db->reader.rc;
        db->why_err = db->reader.err;
        ngx_post_event(&db->drop, &ngx_posted_events);
    }

    if (db->building != NULL) {
        ngx_http_warehouse_snapshot_release(db->building);
        db->building = NULL;
    }

    if (db->current != NULL) {
        ngx_http_warehouse_snapshot_release(db->current);
        db->current = NULL;
    }
}


static void
ngx_http_warehouse_db_drop(ngx_event_t *ev)
{
    ngx_queue_t               dropped;
    ngx_http_warehouse_db_t  *db;

    db = ev->data;

    ngx_queue_init(&dropped);
    ngx_http_warehouse_queue_move(&dropped, &db->dropped);

    db->reader.rc = db->why;
    db->reader.err = db->why_err;

    ngx_http_warehouse_build_answer(db, &dropped, NULL);
}


ngx_int_t
ngx_http_warehouse_db_snapshot(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_ctx_t *ctx, const ngx_http_warehouse_room_t *room,
    ngx_http_warehouse_snapshot_t **snapshot,
    ngx_http_warehouse_refusal_t *refusal)
{
    int         version;
    ngx_int_t   rc;
    ngx_uint_t  fresh;

    if (ngx_http_warehouse_db_look(db, &version) != NGX_OK) {
        ngx_http_warehouse_db_refuse(db, refusal);
        return NGX_DECLINED;
    }

    if (db->current != NULL
        && ngx_http_warehouse_snapshot_version(db->current) == version)
    {
        ngx_http_warehouse_snapshot_retain(db->current);
        *snapshot = db->current;
        return NGX_OK;
    }

    if (db->building == NULL) {

        db->room = *room;

        rc = ngx_http_warehouse_build_start(db, version);

        if (rc == NGX_OK) {
            ngx_http_warehouse_snapshot_retain(db->current);
            *snapshot = db->current;
            return NGX_OK;
        }

        if (rc == NGX_DECLINED) {
            ngx_http_warehouse_db_refuse(db, refusal);
            return NGX_DECLINED;
        }
    }

    /*
     * A build that began before the last commit may not show it, and who
     * asks after a commit is to see it.
     */

    fresh = (ngx_http_warehouse_snapshot_version(db->building) == version);

    ngx_queue_insert_tail(fresh ? &db->waiting : &db->late, &ctx->queue);
    ctx->queued = 1;

    return NGX_AGAIN;
}


/* Finds the file and the version of its contents.  NGX_OK, NGX_DECLINED. */

static ngx_int_t
ngx_http_warehouse_db_look(ngx_http_warehouse_db_t *db, int *version)
{
    db->crowded = 0;

    if (ngx_http_warehouse_db_open(db) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_http_warehouse_reader_version(&db->reader, version) != NGX_OK) {
        ngx_http_warehouse_db_close(db);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * For a request that gets no list because of the database: tells the operator
 * and finds the words for the client, who is not to learn of paths and
 * schemas.
 */

static void
ngx_http_warehouse_db_refuse(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_refusal_t *refusal)
{
    ngx_http_warehouse_outage_request(&db->outage, db->reader.rc,
                                      db->reader.err.text);

    refusal->retry = 1;

    switch (db->reader.rc) {

    case WH_NONE:
        refusal->detail = "there is no stock yet";
        break;

    case WH_RECOVERING:
        refusal->detail = "the stock is being recovered";
        break;

    case WH_ERROR:
        refusal->detail = "the stock cannot be read";
        refusal->retry = 0;
        break;

    default:
        refusal->detail = db->crowded ? "too many lists are still being sent"
                                      : "the stock cannot be read now";
        break;
    }
}


/*
 * Whether the lists that requests hold leave no room for one more.  The newest
 * goes when there is a newer one, unless a request holds it, too.
 */

static ngx_uint_t
ngx_http_warehouse_db_crowded(ngx_http_warehouse_db_t *db)
{
    off_t  held, next;

    held = db->live;
    next = 0;

    if (db->current != NULL) {
        next = ngx_http_warehouse_snapshot_size(db->current);

        if (ngx_http_warehouse_snapshot_alone(db->current)) {
            held -= next;
        }
    }

    return held > 0 && held + next > db->room.limit;
}


void
ngx_http_warehouse_db_cancel(ngx_http_warehouse_ctx_t *ctx)
{
    if (ctx->queued) {
        ngx_queue_remove(&ctx->queue);
        ctx->queued = 0;
    }
}


/*
 * Begins a build and does its first slice, which for most lists is all.
 * version was read before the snapshot, which is thus at least as new.
 * NGX_OK: db->current is the new snapshot; NGX_AGAIN; NGX_DECLINED.
 */

static ngx_int_t
ngx_http_warehouse_build_start(ngx_http_warehouse_db_t *db, int version)
{
    ngx_int_t  rc;

    db->crowded = ngx_http_warehouse_db_crowded(db);

    if (db->crowded) {
        return ngx_http_warehouse_build_failed(db, "lists that clients are "
                                               "slow to take fill "
                                               "warehouse_items_limit");
    }

    db->building = ngx_http_warehouse_snapshot_create(version, db->room.buffer,
                                                      db->room.temp_path,
                                                      &db->live,
                                                      db->slice.log);
    if (db->building == NULL) {
        return ngx_http_warehouse_build_failed(db, "out of memory");
    }

    rc = NGX_DECLINED;
    db->begun = ngx_current_msec;

    if (ngx_http_warehouse_reader_begin(&db->reader) == NGX_OK
        && ngx_http_warehouse_build_byte(db, '[') == NGX_OK)
    {
        rc = ngx_http_warehouse_build_slice(db);
    }

    if (rc == NGX_AGAIN) {

        /* a worker that shuts down leaves when no such timer is set */
        ngx_add_timer(&db->hold, NGX_HTTP_WAREHOUSE_LONGEST);

        ngx_post_event(&db->slice, &ngx_posted_next_events);

    } else {
        ngx_http_warehouse_build_end(db, rc);

        /* its answers may have led here again, and to a close */

        if (rc == NGX_OK && db->current == NULL) {
            rc = NGX_DECLINED;
        }
    }

    return rc;
}


static ngx_int_t
ngx_http_warehouse_build_slice(ngx_http_warehouse_db_t *db)
{
    ngx_int_t                  rc;
    ngx_uint_t                 n;
    ngx_uint_t                 us;
    struct timespec            begin, now;
    ngx_http_warehouse_item_t  item;

    /* where other events leave a build little time it takes more at once */

    us = NGX_HTTP_WAREHOUSE_SLICE;

    if (ngx_current_msec - db->begun > NGX_HTTP_WAREHOUSE_LATE) {
        us *= 5;
    }

    (void) clock_gettime(CLOCK_MONOTONIC, &begin);

    for (n = 1; ; n++) {

        rc = ngx_http_warehouse_reader_next(&db->reader, &item);

        if (rc != NGX_OK) {
            break;
        }

        if (ngx_http_warehouse_build_item(db, &item) != NGX_OK) {
            return NGX_DECLINED;
        }

        if (n % NGX_HTTP_WAREHOUSE_ROWS == 0) {
            (void) clock_gettime(CLOCK_MONOTONIC, &now);

            if ((now.tv_sec - begin.tv_sec) * 1000000
                + (now.tv_nsec - begin.tv_nsec) / 1000 >= (long) us)
            {
                return NGX_AGAIN;
            }
        }
    }

    if (rc != NGX_DONE) {
        return rc;
    }

    if (ngx_http_warehouse_build_byte(db, ']') != NGX_OK) {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* NGX_DECLINED, with a reason that will pass. */

static ngx_int_t
ngx_http_warehouse_build_failed(ngx_http_warehouse_db_t *db, const char *why)
{
    db->reader.rc = wh_error_set(&db->reader.err, WH_AGAIN, "%s", why);

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_warehouse_build_byte(ngx_http_warehouse_db_t *db, u_char byte)
{
    u_char  *p;

    p = ngx_http_warehouse_snapshot_reserve(db->building, 1);

    if (p == NULL) {
        return ngx_http_warehouse_build_failed(db,
                             ngx_http_warehouse_snapshot_error(db->building));
    }

    *p = byte;
    ngx_http_warehouse_snapshot_append(db->building, 1);

    return NGX_OK;
}


static void
ngx_http_warehouse_build_event(ngx_event_t *ev)
{
    ngx_int_t                 rc;
    ngx_http_warehouse_db_t  *db;

    db = ev->data;
    rc = ngx_http_warehouse_build_slice(db);

    if (rc == NGX_AGAIN) {
        ngx_post_event(&db->slice, &ngx_posted_next_events);
        return;
    }

    ngx_http_warehouse_build_end(db, rc);
}


/*
 * The build keeps the log of the database from being truncated for too long:
 * it is given up.
 */

static void
ngx_http_warehouse_build_hold(ngx_event_t *ev)
{
    ngx_http_warehouse_db_t  *db;

    db = ev->data;

    (void) ngx_http_warehouse_build_failed(db, "reading the items takes too "
                                           "long");
    ngx_http_warehouse_build_end(db, NGX_DECLINED);
}


/* Ends the read transaction, keeps or frees the snapshot, answers. */

static void
ngx_http_warehouse_build_end(ngx_http_warehouse_db_t *db, ngx_int_t rc)
{
    ngx_queue_t                     waiting;
    ngx_http_warehouse_snapshot_t  *s;

    s = db->building;
    db->building = NULL;

    if (db->slice.posted) {
        ngx_delete_posted_event(&db->slice);
    }

    if (db->hold.timer_set) {
        ngx_del_timer(&db->hold);
    }

    ngx_http_warehouse_reader_end(&db->reader);

    if (rc == NGX_OK) {

        if (db->current != NULL) {
            ngx_http_warehouse_snapshot_release(db->current);
        }

        db->current = s;
        ngx_http_warehouse_snapshot_retain(s);
        ngx_http_warehouse_outage_end(&db->outage);
    }

    /* what an answer leads to may queue anew, so the queue is taken off */

    ngx_queue_init(&waiting);
    ngx_http_warehouse_queue_move(&waiting, &db->waiting);

    ngx_http_warehouse_build_answer(db, &waiting, rc == NGX_OK ? s : NULL);
    ngx_http_warehouse_snapshot_release(s);

    ngx_http_warehouse_build_late(db);
}


static void
ngx_http_warehouse_build_answer(ngx_http_warehouse_db_t *db,
    ngx_queue_t *queue, ngx_http_warehouse_snapshot_t *snapshot)
{
    ngx_queue_t                   *q;
    ngx_http_warehouse_ctx_t      *ctx;
    ngx_http_warehouse_refusal_t   refusal;

    /* first: what an answer leads to may meet other trouble, or none */

    for (q = ngx_queue_head(queue);
         snapshot == NULL && q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        ngx_http_warehouse_db_refuse(db, &refusal);
    }

    while (!ngx_queue_empty(queue)) {

        q = ngx_queue_head(queue);
        ctx = ngx_queue_data(q, ngx_http_warehouse_ctx_t, queue);

        ngx_http_warehouse_db_cancel(ctx);

        if (snapshot != NULL) {
            ngx_http_warehouse_snapshot_retain(snapshot);
        }

        ngx_http_warehouse_items_done(ctx->request, snapshot, &refusal);
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


/* The requests that came during a build, after a commit. */

static void
ngx_http_warehouse_build_late(ngx_http_warehouse_db_t *db)
{
    int          version;
    ngx_queue_t  waiting;

    if (db->building != NULL || ngx_queue_empty(&db->late)) {
        return;
    }

    if (ngx_http_warehouse_reader_version(&db->reader, &version) != NGX_OK) {
        ngx_http_warehouse_db_close(db);
        return;
    }

    ngx_http_warehouse_queue_move(&db->waiting, &db->late);

    if (ngx_http_warehouse_build_start(db, version) == NGX_DECLINED) {

        /* those that wait for one that did not even begin */

        ngx_queue_init(&waiting);
        ngx_http_warehouse_queue_move(&waiting, &db->waiting);
        ngx_http_warehouse_build_answer(db, &waiting, NULL);
    }
}


static ngx_int_t
ngx_http_warehouse_build_item(ngx_http_warehouse_db_t *db,
    const ngx_http_warehouse_item_t *item)
{
    u_char                         *p, *start;
    size_t                          need;
    ngx_http_warehouse_snapshot_t  *s;

    s = db->building;

    need = sizeof(",{\"sku\":,\"qty\":}") - 1
           + wh_json_string(NULL, item->sku, item->len) + WH_JSON_INT_LEN;

    start = ngx_http_warehouse_snapshot_reserve(s, need);
    if (start == NULL) {
        return ngx_http_warehouse_build_failed(db,
                                       ngx_http_warehouse_snapshot_error(s));
    }

    p = start;

    if (ngx_http_warehouse_snapshot_size(s) > 1) {
        *p++ = ',';
    }

    p = ngx_cpymem(p, "{\"sku\":", 7);
    p += wh_json_string((char *) p, item->sku, item->len);
    p = ngx_cpymem(p, ",\"qty\":", 7);
    p += wh_json_int((char *) p, item->qty);
    *p++ = '}';

    ngx_http_warehouse_snapshot_append(s, p - start);

    return NGX_OK;
}
