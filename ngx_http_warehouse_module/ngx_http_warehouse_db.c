#include "ngx_http_warehouse_db.h"
#include "ngx_http_warehouse_build.h"
#include "ngx_http_warehouse_outage.h"
#include "ngx_http_warehouse_reader.h"


struct ngx_http_warehouse_db_s {
    ngx_http_warehouse_reader_t     reader;
    ngx_http_warehouse_build_t      build;      /* of the next list */

    ngx_http_warehouse_snapshot_t  *current;    /* the newest, or NULL */
    ngx_queue_t                     waiting;    /* for the one being built */
    ngx_queue_t                     late;       /* for the one after it */
    ngx_queue_t                     dropped;    /* the database went away */
    int                             why;        /* as reader.rc was then */
    wh_error_t                      why_err;
    ngx_event_t                     drop;
    ngx_http_warehouse_room_t       room;
    off_t                           live;       /* bytes of all lists */
    ngx_http_warehouse_outage_t     outage;
    unsigned                        crowded:1;  /* no room for a new one */
};


static ngx_http_warehouse_db_t *ngx_http_warehouse_db_create(ngx_conf_t *cf,
    ngx_str_t *path);
static void ngx_http_warehouse_db_cleanup(void *data);
static ngx_int_t ngx_http_warehouse_db_look(ngx_http_warehouse_db_t *db,
    int *version);
static ngx_int_t ngx_http_warehouse_db_open(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_close(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_forget(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_drop(ngx_event_t *ev);
static ngx_int_t ngx_http_warehouse_db_build(ngx_http_warehouse_db_t *db,
    int version);
static ngx_uint_t ngx_http_warehouse_db_crowded(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_built(void *data, ngx_int_t rc);
static void ngx_http_warehouse_db_late(ngx_http_warehouse_db_t *db);
static void ngx_http_warehouse_db_answer(ngx_http_warehouse_db_t *db,
    ngx_queue_t *queue, ngx_http_warehouse_snapshot_t *snapshot);
static void ngx_http_warehouse_db_refuse(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_refusal_t *refusal);
static void ngx_http_warehouse_queue_move(ngx_queue_t *to, ngx_queue_t *from);


ngx_http_warehouse_db_t *
ngx_http_warehouse_db_add(ngx_conf_t *cf, ngx_array_t *databases,
    ngx_str_t *path)
{
    ngx_str_t                 *known;
    ngx_uint_t                 i;
    ngx_http_warehouse_db_t  **db;

    if (ngx_conf_full_name(cf->cycle, path, 0) != NGX_OK) {
        return NULL;
    }

    db = databases->elts;

    for (i = 0; i < databases->nelts; i++) {
        known = &db[i]->reader.path;

        if (known->len == path->len
            && ngx_strncmp(known->data, path->data, path->len) == 0)
        {
            return db[i];
        }
    }

    db = ngx_array_push(databases);
    if (db == NULL) {
        return NULL;
    }

    *db = ngx_http_warehouse_db_create(cf, path);

    return *db;
}


static ngx_http_warehouse_db_t *
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

    ngx_http_warehouse_build_init(&db->build, &cf->cycle->new_log);

    db->build.reader = &db->reader;
    db->build.format = &ngx_http_warehouse_json;
    db->build.handler = ngx_http_warehouse_db_built;
    db->build.data = db;

    db->outage.name = *path;

    db->drop.handler = ngx_http_warehouse_db_drop;
    db->drop.data = db;
    db->drop.log = &cf->cycle->new_log;

    if (ngx_http_warehouse_reader_init(&db->reader, cf->pool, path)
        != NGX_OK)
    {
        return NULL;
    }

    return db;
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
        ngx_http_warehouse_db_cancel(ngx_queue_data(q,
                                          ngx_http_warehouse_list_waiter_t,
                                          queue));
    }
}


ngx_int_t
ngx_http_warehouse_db_list(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_list_waiter_t *waiter,
    const ngx_http_warehouse_room_t *room,
    ngx_http_warehouse_snapshot_t **snapshot,
    ngx_http_warehouse_refusal_t *refusal)
{
    int         version;
    ngx_int_t   rc;
    ngx_uint_t  fresh;

    if (ngx_http_warehouse_db_look(db, &version) != NGX_OK) {
        ngx_http_warehouse_db_refuse(db, refusal);
        return NGX_ERROR;
    }

    rc = NGX_AGAIN;

    if (db->current != NULL
        && ngx_http_warehouse_snapshot_version(db->current) == version)
    {
        rc = NGX_OK;

    } else if (db->build.snapshot == NULL) {
        db->room = *room;
        rc = ngx_http_warehouse_db_build(db, version);
    }

    if (rc == NGX_OK) {
        ngx_http_warehouse_snapshot_retain(db->current);
        *snapshot = db->current;
        return NGX_OK;
    }

    if (rc == NGX_ERROR) {
        ngx_http_warehouse_db_refuse(db, refusal);
        return NGX_ERROR;
    }

    /*
     * A build that began before the last commit may not show it, and who
     * asks after a commit is to see it.
     */

    fresh = (ngx_http_warehouse_snapshot_version(db->build.snapshot)
             == version);

    ngx_queue_insert_tail(fresh ? &db->waiting : &db->late, &waiter->queue);
    waiter->queued = 1;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0,
                   "warehouse: \"%V\": waiting for %s list",
                   &db->reader.path, fresh ? "this" : "the next");

    return NGX_AGAIN;
}


void
ngx_http_warehouse_db_cancel(ngx_http_warehouse_list_waiter_t *waiter)
{
    if (waiter->queued) {
        ngx_queue_remove(&waiter->queue);
        waiter->queued = 0;
    }
}


/* Finds the file and the version of its contents.  NGX_OK, NGX_ERROR. */

static ngx_int_t
ngx_http_warehouse_db_look(ngx_http_warehouse_db_t *db, int *version)
{
    db->crowded = 0;

    if (ngx_http_warehouse_db_open(db) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_warehouse_reader_version(&db->reader, version) != NGX_OK) {
        ngx_http_warehouse_db_close(db);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Makes sure that the file at the path is open.  NGX_OK, NGX_ERROR. */

static ngx_int_t
ngx_http_warehouse_db_open(ngx_http_warehouse_db_t *db)
{
    ngx_int_t  rc;

    rc = ngx_http_warehouse_reader_open(&db->reader);

    if (rc == NGX_DONE) {
        /* for who waits */
        (void) ngx_http_warehouse_reader_failed(&db->reader, "the database was "
                                                "replaced");
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
    ngx_http_warehouse_build_drop(&db->build);

    ngx_http_warehouse_queue_move(&db->dropped, &db->waiting);
    ngx_http_warehouse_queue_move(&db->dropped, &db->late);

    if (!ngx_queue_empty(&db->dropped) && !db->drop.posted) {
        db->why = db->reader.rc;
        db->why_err = db->reader.err;
        ngx_post_event(&db->drop, &ngx_posted_events);
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

    ngx_http_warehouse_db_answer(db, &dropped, NULL);
}


/*
 * Begins a build.  version was read before the transaction, which is thus at
 * least as new.  NGX_OK: db->current is the new list; NGX_AGAIN; NGX_ERROR.
 */

static ngx_int_t
ngx_http_warehouse_db_build(ngx_http_warehouse_db_t *db, int version)
{
    ngx_int_t                       rc;
    ngx_http_warehouse_snapshot_t  *s;

    db->crowded = ngx_http_warehouse_db_crowded(db);

    if (db->crowded) {
        return ngx_http_warehouse_reader_failed(&db->reader, "lists that "
                                                "clients are slow to take fill "
                                                "warehouse_items_limit");
    }

    s = ngx_http_warehouse_snapshot_create(version, db->room.buffer,
                                           db->room.temp_path, &db->live,
                                           db->drop.log);
    if (s == NULL) {
        return ngx_http_warehouse_reader_failed(&db->reader, "out of memory");
    }

    rc = ngx_http_warehouse_build_start(&db->build, s);

    if (rc != NGX_AGAIN) {
        ngx_http_warehouse_db_built(db, rc);

        /* its answers may have led here again, and to a close */

        if (rc == NGX_OK && db->current == NULL) {
            rc = NGX_ERROR;
        }
    }

    return rc;
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


/* A build has ended: keeps or frees the list, answers. */

static void
ngx_http_warehouse_db_built(void *data, ngx_int_t rc)
{
    ngx_http_warehouse_db_t *db = data;

    ngx_queue_t                     waiting;
    ngx_http_warehouse_snapshot_t  *s;

    s = ngx_http_warehouse_build_take(&db->build);

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

    ngx_http_warehouse_db_answer(db, &waiting, rc == NGX_OK ? s : NULL);
    ngx_http_warehouse_snapshot_release(s);

    ngx_http_warehouse_db_late(db);
}


/* The requests that came during a build, after a commit. */

static void
ngx_http_warehouse_db_late(ngx_http_warehouse_db_t *db)
{
    int          version;
    ngx_queue_t  waiting;

    if (db->build.snapshot != NULL || ngx_queue_empty(&db->late)) {
        return;
    }

    if (ngx_http_warehouse_reader_version(&db->reader, &version) != NGX_OK) {
        ngx_http_warehouse_db_close(db);
        return;
    }

    ngx_http_warehouse_queue_move(&db->waiting, &db->late);

    if (ngx_http_warehouse_db_build(db, version) == NGX_ERROR) {

        /* those that wait for one that did not even begin */

        ngx_queue_init(&waiting);
        ngx_http_warehouse_queue_move(&waiting, &db->waiting);
        ngx_http_warehouse_db_answer(db, &waiting, NULL);
    }
}


static void
ngx_http_warehouse_db_answer(ngx_http_warehouse_db_t *db, ngx_queue_t *queue,
    ngx_http_warehouse_snapshot_t *snapshot)
{
    ngx_queue_t                       *q;
    ngx_http_warehouse_refusal_t       refusal;
    ngx_http_warehouse_list_waiter_t  *waiter;

    /* first: what an answer leads to may meet other trouble, or none */

    for (q = ngx_queue_head(queue);
         snapshot == NULL && q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        ngx_http_warehouse_db_refuse(db, &refusal);
    }

    while (!ngx_queue_empty(queue)) {

        q = ngx_queue_head(queue);
        waiter = ngx_queue_data(q, ngx_http_warehouse_list_waiter_t, queue);

        ngx_http_warehouse_db_cancel(waiter);

        if (snapshot != NULL) {
            ngx_http_warehouse_snapshot_retain(snapshot);
        }

        waiter->handler(waiter->data, snapshot, &refusal);
    }
}


/*
 * For a request that gets no list because of the database: tells the operator
 * and finds the words for the client.
 */

static void
ngx_http_warehouse_db_refuse(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_refusal_t *refusal)
{
    ngx_http_warehouse_outage_request(&db->outage, db->reader.rc,
                                      db->reader.err.text);

    ngx_http_warehouse_refusal(refusal, db->reader.rc, db->crowded);
}


static void
ngx_http_warehouse_queue_move(ngx_queue_t *to, ngx_queue_t *from)
{
    if (!ngx_queue_empty(from)) {
        ngx_queue_add(to, from);
        ngx_queue_init(from);
    }
}
