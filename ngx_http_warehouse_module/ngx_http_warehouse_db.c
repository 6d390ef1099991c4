#include "ngx_http_warehouse_db.h"
#include "ngx_http_warehouse_outcomes.h"
#include "ngx_http_warehouse_points.h"


/*
 * So many share a look at most: the memory of all that wait at once would be
 * given back to the system after each turn, and be taken from it anew.
 */
#define NGX_HTTP_WAREHOUSE_SHARE  16


struct ngx_http_warehouse_db_s {
    ngx_http_warehouse_reader_t  reader;
    ngx_http_warehouse_lists_t   lists;
    ngx_http_warehouse_outage_t  outage;
    ngx_http_warehouse_watch_t   watch;
    ngx_http_warehouse_feed_t    feed;
    int                          watched;    /* what its look found ... */
    ngx_uint_t                   rewatched;  /* ... in the file of then */

    ngx_queue_t                  asking;     /* for lists, in this turn */
    ngx_uint_t                   asked;      /* since the last look */
    ngx_event_t                  turn;
    ngx_uint_t                   looked;     /* in this turn */
    int                          version;    /* what the look found ... */
    ngx_uint_t                   forgotten;  /* ... in the file of then */
};


static void ngx_http_warehouse_db_cleanup(void *data);
static void ngx_http_warehouse_db_turn(ngx_event_t *ev);
static void ngx_http_warehouse_db_answer(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_list_waiter_t *waiter);
static ngx_int_t ngx_http_warehouse_db_look(ngx_http_warehouse_db_t *db,
    int *version);
static ngx_int_t ngx_http_warehouse_db_open(ngx_http_warehouse_db_t *db);
static ngx_int_t ngx_http_warehouse_db_watch_begin(void *data,
    ngx_uint_t stale, ngx_http_warehouse_reader_t **reader);
static void ngx_http_warehouse_db_watch_end(void *data);
static ngx_int_t ngx_http_warehouse_db_refuse(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_refusal_t *refusal);


static const ngx_http_warehouse_watch_db_t  ngx_http_warehouse_db_ask = {
    ngx_http_warehouse_db_watch_begin,
    ngx_http_warehouse_db_watch_end
};


ngx_http_warehouse_db_t *
ngx_http_warehouse_db_create(ngx_conf_t *cf, ngx_str_t *path)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_warehouse_db_t  *db;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_warehouse_db_t));
    if (cln == NULL) {
        return NULL;
    }

    db = cln->data;
    ngx_memzero(db, sizeof(ngx_http_warehouse_db_t));

    db->outage.name = *path;

    ngx_http_warehouse_lists_init(&db->lists, &db->reader, &db->outage,
                                  &cf->cycle->new_log);

    ngx_http_warehouse_watch_init(&db->watch, &ngx_http_warehouse_db_ask, db,
                                  &cf->cycle->new_log);

    ngx_http_warehouse_feed_init(&db->feed, &db->watch);

    ngx_queue_init(&db->asking);

    db->turn.handler = ngx_http_warehouse_db_turn;
    db->turn.data = db;
    db->turn.log = &cf->cycle->new_log;

    cln->handler = ngx_http_warehouse_db_cleanup;

    if (ngx_http_warehouse_reader_init(&db->reader, cf->pool, path)
        != NGX_OK)
    {
        return NULL;
    }

    return db;
}


ngx_str_t *
ngx_http_warehouse_db_path(ngx_http_warehouse_db_t *db)
{
    return &db->reader.path;
}


/* The process ends. */

static void
ngx_http_warehouse_db_cleanup(void *data)
{
    ngx_http_warehouse_db_t *db = data;

    ngx_queue_t  *q;

    if (db->turn.posted) {
        ngx_delete_posted_event(&db->turn);
    }

    while (!ngx_queue_empty(&db->asking)) {
        q = ngx_queue_head(&db->asking);
        ngx_http_warehouse_lists_cancel(ngx_queue_data(q,
                                            ngx_http_warehouse_list_waiter_t,
                                            queue));
    }

    ngx_http_warehouse_watch_close(&db->watch);
    ngx_http_warehouse_reader_close(&db->reader);
    ngx_http_warehouse_lists_close(&db->lists);
}


void
ngx_http_warehouse_db_list(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_list_waiter_t *waiter)
{
    if (db->asked >= NGX_HTTP_WAREHOUSE_SHARE) {
        ngx_http_warehouse_db_turn(&db->turn);
    }

    ngx_queue_insert_tail(&db->asking, &waiter->queue);
    waiter->queued = 1;
    db->asked++;

    ngx_post_event(&db->turn, &ngx_posted_events);
}


/* Enough have asked, or all that has been read in this turn. */

static void
ngx_http_warehouse_db_turn(ngx_event_t *ev)
{
    ngx_queue_t               asking, *q;
    ngx_http_warehouse_db_t  *db;

    db = ev->data;
    db->asked = 0;

    if (ngx_queue_empty(&db->asking)) {
        return;
    }

    /* what an answer leads to asks anew, and waits for another look */

    ngx_queue_init(&asking);
    ngx_queue_add(&asking, &db->asking);
    ngx_queue_init(&db->asking);

    db->looked = 0;

    while (!ngx_queue_empty(&asking)) {
        q = ngx_queue_head(&asking);
        ngx_http_warehouse_db_answer(db, ngx_queue_data(q,
                                            ngx_http_warehouse_list_waiter_t,
                                            queue));
    }
}


static void
ngx_http_warehouse_db_answer(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_list_waiter_t *waiter)
{
    ngx_int_t                       rc;
    ngx_http_warehouse_refusal_t    refusal;
    ngx_http_warehouse_snapshot_t  *snapshot;

    rc = NGX_OK;
    snapshot = NULL;
    db->lists.crowded = 0;

    ngx_http_warehouse_lists_cancel(waiter);

    /* what an answer led to may have found another file, or none */

    if (!db->looked || db->forgotten != db->lists.forgotten) {
        rc = ngx_http_warehouse_db_look(db, &db->version);
        db->looked = (rc == NGX_OK);
        db->forgotten = db->lists.forgotten;
    }

    if (rc == NGX_OK) {
        rc = ngx_http_warehouse_lists_get(&db->lists, db->version, waiter,
                                          &snapshot);
    }

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_ERROR) {
        (void) ngx_http_warehouse_db_refuse(db, &refusal);
    }

    waiter->handler(waiter, snapshot, &refusal);
}


void
ngx_http_warehouse_db_cancel(ngx_http_warehouse_list_waiter_t *waiter)
{
    ngx_http_warehouse_lists_cancel(waiter);
}


ngx_int_t
ngx_http_warehouse_db_begin(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_reader_t **reader,
    ngx_http_warehouse_refusal_t *refusal)
{
    int  version;

    *reader = &db->reader;

    if (ngx_http_warehouse_db_look(db, &version) != NGX_OK) {
        return ngx_http_warehouse_db_refuse(db, refusal);
    }

    return (ngx_http_warehouse_points_begin(&db->reader, version) == NGX_OK)
           ? NGX_OK : ngx_http_warehouse_db_end(db, NGX_ERROR, refusal);
}


ngx_int_t
ngx_http_warehouse_db_end(ngx_http_warehouse_db_t *db, ngx_int_t rc,
    ngx_http_warehouse_refusal_t *refusal)
{
    ngx_http_warehouse_points_end(&db->reader);

    if (rc == NGX_ERROR) {
        return ngx_http_warehouse_db_refuse(db, refusal);
    }

    ngx_http_warehouse_outage_end(&db->outage);

    return rc;
}


ngx_http_warehouse_snapshot_t *
ngx_http_warehouse_db_page(ngx_http_warehouse_db_t *db,
    const ngx_http_warehouse_room_t *room)
{
    return ngx_http_warehouse_lists_page(&db->lists, room);
}


ngx_http_warehouse_watch_t *
ngx_http_warehouse_db_watch(ngx_http_warehouse_db_t *db)
{
    return &db->watch;
}


ngx_http_warehouse_feed_t *
ngx_http_warehouse_db_feed(ngx_http_warehouse_db_t *db)
{
    return &db->feed;
}


/*
 * Whoever waits is told of trouble by the time he has: the operator by others,
 * who read.
 */

static ngx_int_t
ngx_http_warehouse_db_watch_begin(void *data, ngx_uint_t stale,
    ngx_http_warehouse_reader_t **reader)
{
    ngx_http_warehouse_db_t *db = data;

    int  version;

    if (ngx_http_warehouse_db_look(db, &version) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!stale && version == db->watched
        && db->lists.forgotten == db->rewatched)
    {
        return NGX_DECLINED;
    }

    *reader = &db->reader;

    if (ngx_http_warehouse_points_begin(&db->reader, version) != NGX_OK) {
        ngx_http_warehouse_points_end(&db->reader);
        return NGX_ERROR;
    }

    db->watched = version;
    db->rewatched = db->lists.forgotten;

    return NGX_OK;
}


static void
ngx_http_warehouse_db_watch_end(void *data)
{
    ngx_http_warehouse_db_t *db = data;

    ngx_http_warehouse_points_end(&db->reader);
}


ngx_int_t
ngx_http_warehouse_db_understands(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_refusal_t *refusal)
{
    ngx_int_t                     rc;
    ngx_http_warehouse_reader_t  *reader;

    rc = ngx_http_warehouse_db_begin(db, &reader, refusal);

    return (rc == NGX_OK)
           ? ngx_http_warehouse_db_end(db,
                                  ngx_http_warehouse_outcomes_open(reader),
                                  refusal)
           : rc;
}


/* Finds the file and the version of its contents.  NGX_OK, NGX_ERROR. */

static ngx_int_t
ngx_http_warehouse_db_look(ngx_http_warehouse_db_t *db, int *version)
{
    db->lists.crowded = 0;

    if (ngx_http_warehouse_db_open(db) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_warehouse_reader_version(&db->reader, version) != NGX_OK) {
        ngx_http_warehouse_lists_lost(&db->lists);
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
        ngx_http_warehouse_lists_forget(&db->lists);
    }

    return (rc == NGX_DONE) ? NGX_OK : rc;
}


/*
 * For a request that gets nothing because of the database: tells the operator,
 * and finds the words for the client.  Returns NGX_ERROR.
 */

static ngx_int_t
ngx_http_warehouse_db_refuse(ngx_http_warehouse_db_t *db,
    ngx_http_warehouse_refusal_t *refusal)
{
    ngx_http_warehouse_refuse(refusal, &db->outage, &db->reader,
                              db->lists.crowded);
    return NGX_ERROR;
}
