#include "ngx_http_warehouse_db.h"
#include "ngx_http_warehouse_reader.h"
#include "wh_json.h"

#include <time.h>


#define NGX_HTTP_WAREHOUSE_SLICE   1000      /* us of building in one go */
#define NGX_HTTP_WAREHOUSE_ROWS    32        /* rows between two looks */
#define NGX_HTTP_WAREHOUSE_HOLD    600000    /* ms: longer than any build */


struct ngx_http_warehouse_db_s {
    ngx_http_warehouse_reader_t     reader;

    ngx_http_warehouse_snapshot_t  *current;    /* the newest, or NULL */
    ngx_http_warehouse_snapshot_t  *building;   /* or NULL */
    ngx_queue_t                     waiting;    /* for the one being built */
    ngx_queue_t                     late;       /* for the one after it */
    ngx_queue_t                     dropped;    /* the database went away */
    ngx_event_t                     slice;
    ngx_event_t                     drop;
    ngx_event_t                     hold;
    size_t                          buffer;
    ngx_path_t                     *temp_path;
};


static void ngx_http_warehouse_db_cleanup(void *data);
static ngx_int_t ngx_http_warehouse_db_open(ngx_http_warehouse_db_t *db);
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
    ngx_queue_t *queue, ngx_http_warehouse_snapshot_t *snapshot,
    const char *why);
static void ngx_http_warehouse_queue_move(ngx_queue_t *to, ngx_queue_t *from);
static void ngx_http_warehouse_build_late(ngx_http_warehouse_db_t *db);
static ngx_int_t ngx_http_warehouse_build_item(ngx_http_warehouse_db_t *db,
    const ngx_http_warehouse_item_t *item);
static ngx_int_t ngx_http_warehouse_build_byte(ngx_http_warehouse_db_t *db,
    u_char byte);
static ngx_int_t ngx_http_warehouse_build_failed(ngx_http_warehouse_db_t *db);


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

    if (!ngx_queue_empty(&db->dropped)) {
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

    ngx_http_warehouse_build_answer(db, &dropped, NULL, "the database was "
                                    "replaced or became unreadable");
}


ngx_int_t
ngx_http_warehouse_db_snapshot(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_ctx_t *ctx, size_t buffer, ngx_path_t *temp_path,
    ngx_http_warehouse_snapshot_t **snapshot, const char **why)
{
    int         version;
    ngx_int_t   rc;
    ngx_uint_t  fresh;

    *why = db->reader.err.text;

    if (ngx_http_warehouse_db_open(db) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (ngx_http_warehouse_reader_version(&db->reader, &version) != NGX_OK) {
        ngx_http_warehouse_db_close(db);
        return NGX_DECLINED;
    }

    if (db->current != NULL
        && ngx_http_warehouse_snapshot_version(db->current) == version)
    {
        ngx_http_warehouse_snapshot_retain(db->current);
        *snapshot = db->current;
        return NGX_OK;
    }

    db->buffer = buffer;
    db->temp_path = temp_path;

    if (db->building == NULL) {

        rc = ngx_http_warehouse_build_start(db, version);

        if (rc == NGX_OK) {
            ngx_http_warehouse_snapshot_retain(db->current);
            *snapshot = db->current;
        }

        if (rc != NGX_AGAIN) {
            return rc;
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

    db->building = ngx_http_warehouse_snapshot_create(version, db->buffer,
                                                      db->temp_path,
                                                      db->slice.log);
    if (db->building == NULL) {
        (void) wh_error_set(&db->reader.err, WH_NOMEM, "out of memory");
        return NGX_DECLINED;
    }

    rc = NGX_DECLINED;

    if (ngx_http_warehouse_reader_begin(&db->reader) == NGX_OK
        && ngx_http_warehouse_build_byte(db, '[') == NGX_OK)
    {
        rc = ngx_http_warehouse_build_slice(db);
    }

    if (rc == NGX_AGAIN) {

        /* a worker that shuts down leaves when no such timer is set */
        ngx_add_timer(&db->hold, NGX_HTTP_WAREHOUSE_HOLD);

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
    struct timespec            begin, now;
    ngx_http_warehouse_item_t  item;

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
                + (now.tv_nsec - begin.tv_nsec) / 1000
                >= NGX_HTTP_WAREHOUSE_SLICE)
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

    if (ngx_http_warehouse_snapshot_finish(db->building) != NGX_OK) {
        return ngx_http_warehouse_build_failed(db);
    }

    return NGX_OK;
}


/* NGX_DECLINED, with the snapshot's error as the reason. */

static ngx_int_t
ngx_http_warehouse_build_failed(ngx_http_warehouse_db_t *db)
{
    (void) wh_error_set(&db->reader.err, WH_ERROR, "%s",
                        ngx_http_warehouse_snapshot_error(db->building));

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_warehouse_build_byte(ngx_http_warehouse_db_t *db, u_char byte)
{
    u_char  *p;

    p = ngx_http_warehouse_snapshot_reserve(db->building, 1);

    if (p == NULL) {
        return ngx_http_warehouse_build_failed(db);
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


static void
ngx_http_warehouse_build_hold(ngx_event_t *ev)
{
    /* only there to be set; a build goes on whatever its length */
    ngx_add_timer(ev, NGX_HTTP_WAREHOUSE_HOLD);
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

    } else {
        ngx_log_error(NGX_LOG_ERR, db->slice.log, 0, "warehouse: \"%V\": %s",
                      &db->reader.path, db->reader.err.text);
    }

    /* what an answer leads to may queue anew, so the queue is taken off */

    ngx_queue_init(&waiting);
    ngx_http_warehouse_queue_move(&waiting, &db->waiting);

    ngx_http_warehouse_build_answer(db, &waiting, rc == NGX_OK ? s : NULL,
                                    db->reader.err.text);
    ngx_http_warehouse_snapshot_release(s);

    ngx_http_warehouse_build_late(db);
}


static void
ngx_http_warehouse_build_answer(ngx_http_warehouse_db_t *db,
    ngx_queue_t *queue, ngx_http_warehouse_snapshot_t *snapshot,
    const char *why)
{
    ngx_queue_t               *q;
    ngx_http_warehouse_ctx_t  *ctx;

    while (!ngx_queue_empty(queue)) {

        q = ngx_queue_head(queue);
        ctx = ngx_queue_data(q, ngx_http_warehouse_ctx_t, queue);

        ngx_http_warehouse_db_cancel(ctx);

        if (snapshot != NULL) {
            ngx_http_warehouse_snapshot_retain(snapshot);
        }

        ngx_http_warehouse_items_done(ctx->request, snapshot, why);
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
    int  version;

    if (db->building != NULL || ngx_queue_empty(&db->late)) {
        return;
    }

    if (ngx_http_warehouse_reader_version(&db->reader, &version) != NGX_OK) {
        ngx_http_warehouse_db_close(db);
        return;
    }

    ngx_http_warehouse_queue_move(&db->waiting, &db->late);

    if (ngx_http_warehouse_build_start(db, version) == NGX_DECLINED
        && !ngx_queue_empty(&db->waiting))
    {
        /* it did not even begin */
        ngx_http_warehouse_db_close(db);
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
        return ngx_http_warehouse_build_failed(db);
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
