#include "ngx_http_warehouse_outcomes.h"
#include "wh_schema.h"


static ngx_int_t ngx_http_warehouse_outcomes_version(
    ngx_http_warehouse_reader_t *r);
static ngx_int_t ngx_http_warehouse_outcomes_row(
    ngx_http_warehouse_reader_t *r, ngx_str_t *topic, int32_t partition,
    int64_t offset);
static ngx_uint_t ngx_http_warehouse_outcomes_within(
    ngx_http_warehouse_row_t *row, ngx_str_t *topic, int32_t partition,
    int64_t offset);
static ngx_int_t ngx_http_warehouse_outcomes_news(
    ngx_http_warehouse_reader_t *r, int64_t *next, ngx_uint_t *most,
    ngx_http_warehouse_give_pt give, void *data);
static ngx_int_t ngx_http_warehouse_outcomes_damaged(
    ngx_http_warehouse_reader_t *r);


ngx_int_t
ngx_http_warehouse_outcomes_open(ngx_http_warehouse_reader_t *r)
{
    ngx_int_t  rc;

    if (r->outcome != NULL) {
        return NGX_OK;
    }

    if (r->commands == NULL
        && (ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_NEXT,
                                              &r->next)
            != NGX_OK
            || ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_COMMANDS,
                                                 &r->commands)
               != NGX_OK))
    {
        ngx_http_warehouse_reader_outcomes_close(r);
        return NGX_ERROR;
    }

    rc = ngx_http_warehouse_outcomes_version(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_OUTCOME,
                                          &r->outcome)
        == NGX_OK
        && ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_FEED,
                                             &r->feed)
           == NGX_OK)
    {
        return NGX_OK;
    }

    ngx_http_warehouse_reader_outcomes_close(r);

    return NGX_ERROR;
}


/* A daemon that is new may have brought the file to its own schema since. */

static ngx_int_t
ngx_http_warehouse_outcomes_version(ngx_http_warehouse_reader_t *r)
{
    ngx_int_t      rc;
    sqlite3_stmt  *stmt;

    if (ngx_http_warehouse_reader_prepare(r, r->points, WH_SQL_VERSION, &stmt)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (sqlite3_step(stmt) == SQLITE_ROW) {
        rc = (sqlite3_column_int(stmt, 0) >= WH_SCHEMA_OUTCOMES)
             ? NGX_OK : NGX_DECLINED;

    } else {
        rc = ngx_http_warehouse_reader_fail(r, r->points);
    }

    (void) sqlite3_finalize(stmt);

    return rc;
}


ngx_int_t
ngx_http_warehouse_outcomes_next(ngx_http_warehouse_reader_t *r,
    ngx_str_t *topic, int32_t partition, int64_t *next)
{
    int32_t    known;
    ngx_int_t  rc;

    known = partition;
    rc = ngx_http_warehouse_outcomes_next_from(r, topic, &known, next);

    if (rc == NGX_DONE || (rc == NGX_OK && known != partition)) {
        *next = -1;
        return NGX_OK;
    }

    return rc;
}


ngx_int_t
ngx_http_warehouse_outcomes_next_from(ngx_http_warehouse_reader_t *r,
    ngx_str_t *topic, int32_t *partition, int64_t *next)
{
    int          rc;
    size_t       len;
    int64_t      known;
    ngx_int_t    result;
    const char  *name;

    name = (const char *) topic->data;
    len = topic->len;
    rc = SQLITE_OK;

    if (len == 0) {
        rc = sqlite3_step(r->commands);

        if (rc == SQLITE_ROW) {
            name = (const char *) sqlite3_column_text(r->commands, 0);
            len = (size_t) sqlite3_column_bytes(r->commands, 0);
        }
    }

    /* none: NULL, and no topic is named so */

    if (rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE) {
        rc = sqlite3_bind_text(r->next, 1, name, (int) len, SQLITE_STATIC);
    }

    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_int(r->next, 2, *partition);
    }

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(r->next);
    }

    if (rc == SQLITE_ROW) {
        *next = sqlite3_column_int64(r->next, 0);
        known = sqlite3_column_int64(r->next, 1);

        /* or it is no number of a partition: the file is damaged */

        if (known < *partition || known > (int64_t) NGX_MAX_INT32_VALUE) {
            rc = SQLITE_DONE;

        } else {
            *partition = (int32_t) known;
        }
    }

    result = (rc == SQLITE_ROW) ? NGX_OK
             : (rc == SQLITE_DONE) ? NGX_DONE
             : ngx_http_warehouse_reader_fail(r, r->points);

    (void) sqlite3_reset(r->next);
    (void) sqlite3_reset(r->commands);

    return result;
}


ngx_int_t
ngx_http_warehouse_outcomes_find(ngx_http_warehouse_reader_t *r,
    ngx_str_t *topic, int32_t partition, int64_t offset, wh_kept_t *kept)
{
    int                        rc;
    ngx_http_warehouse_row_t  *row;

    row = &r->row;

    if (!ngx_http_warehouse_outcomes_within(row, topic, partition, offset)) {
        rc = ngx_http_warehouse_outcomes_row(r, topic, partition, offset);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    for ( ;; ) {
        rc = wh_kept_next(&row->kept, kept);

        if (rc != WH_OK) {
            row->open = 0;
            return ngx_http_warehouse_outcomes_damaged(r);
        }

        if (kept->offset >= offset) {
            row->seen = kept->offset;
            break;
        }
    }

    if (kept->offset == offset) {
        return NGX_OK;
    }

    /* the next one was read already */

    row->open = 0;

    return row->kept.complete ? NGX_DECLINED : NGX_DONE;
}


/* Whether the row that is open goes on to an offset. */

static ngx_uint_t
ngx_http_warehouse_outcomes_within(ngx_http_warehouse_row_t *row,
    ngx_str_t *topic, int32_t partition, int64_t offset)
{
    return row->open && row->partition == partition
           && row->topic.len == topic->len
           && ngx_memcmp(row->topic.data, topic->data, topic->len) == 0
           && offset > row->seen && offset <= row->last;
}


/* Opens the row that an offset is in.  NGX_DONE: there is none. */

static ngx_int_t
ngx_http_warehouse_outcomes_row(ngx_http_warehouse_reader_t *r,
    ngx_str_t *topic, int32_t partition, int64_t offset)
{
    int                        rc;
    int64_t                    first;
    ngx_http_warehouse_row_t  *row;

    row = &r->row;
    row->open = 0;

    (void) sqlite3_reset(r->outcome);

    if (sqlite3_bind_text(r->outcome, 1, (char *) topic->data,
                          (int) topic->len, SQLITE_STATIC)
        != SQLITE_OK
        || sqlite3_bind_int(r->outcome, 2, partition) != SQLITE_OK
        || sqlite3_bind_int64(r->outcome, 3, offset) != SQLITE_OK)
    {
        return ngx_http_warehouse_reader_fail(r, r->points);
    }

    rc = sqlite3_step(r->outcome);

    if (rc == SQLITE_DONE) {
        return NGX_DONE;
    }

    if (rc != SQLITE_ROW) {
        return ngx_http_warehouse_reader_fail(r, r->points);
    }

    first = sqlite3_column_int64(r->outcome, 0);
    row->last = sqlite3_column_int64(r->outcome, 1);

    if (offset > row->last) {
        return NGX_DONE;
    }

    if (wh_kept_open(&row->kept, sqlite3_column_blob(r->outcome, 3),
                     (size_t) sqlite3_column_bytes(r->outcome, 3), first,
                     sqlite3_column_int64(r->outcome, 2))
        != WH_OK)
    {
        return ngx_http_warehouse_outcomes_damaged(r);
    }

    row->topic = *topic;
    row->partition = partition;
    row->seen = first - 1;
    row->open = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_warehouse_outcomes_feed(ngx_http_warehouse_reader_t *r, int64_t *next,
    int64_t upto, ngx_uint_t *most, ngx_http_warehouse_give_pt give,
    void *data)
{
    int        step;
    int64_t    behind;
    ngx_int_t  rc;

    if (sqlite3_bind_int64(r->feed, 1, *next) != SQLITE_OK) {
        return ngx_http_warehouse_reader_fail(r, r->points);
    }

    rc = NGX_OK;
    behind = *next;

    while (rc == NGX_OK && (step = sqlite3_step(r->feed)) == SQLITE_ROW) {

        /* rows are a chain: where one does not go on, some are missing */

        rc = (sqlite3_column_int64(r->feed, 3) > behind)
             ? NGX_DECLINED
             : ngx_http_warehouse_outcomes_news(r, next, most, give, data);

        if (rc == NGX_OK) {
            behind = sqlite3_column_int64(r->feed, 4);
            *next = behind;
        }
    }

    if (rc == NGX_OK && step != SQLITE_DONE) {
        rc = ngx_http_warehouse_reader_fail(r, r->points);
    }

    (void) sqlite3_reset(r->feed);

    return (rc == NGX_OK && behind < upto) ? NGX_DECLINED : rc;
}


/* Those of one row. */

static ngx_int_t
ngx_http_warehouse_outcomes_news(ngx_http_warehouse_reader_t *r, int64_t *next,
    ngx_uint_t *most, ngx_http_warehouse_give_pt give, void *data)
{
    int                        rc;
    wh_kept_t                  kept;
    wh_kept_row_t              row;
    ngx_http_warehouse_news_t  news;

    news.kept = &kept;
    news.topic = (const char *) sqlite3_column_text(r->feed, 0);
    news.partition = sqlite3_column_int(r->feed, 1);

    rc = (news.topic == NULL)
         ? WH_ERROR
         : wh_kept_open(&row, sqlite3_column_blob(r->feed, 5),
                        (size_t) sqlite3_column_bytes(r->feed, 5),
                        sqlite3_column_int64(r->feed, 2),
                        sqlite3_column_int64(r->feed, 3));

    while (rc == WH_OK) {
        rc = wh_kept_next(&row, &kept);

        if (rc != WH_OK || kept.verdict != WH_APPLIED
            || kept.notified < *next)
        {
            continue;
        }

        if (*most == 0 || give(data, &news) != NGX_OK) {
            return NGX_AGAIN;
        }

        (*most)--;
        *next = kept.notified + 1;
    }

    return (rc == WH_NONE) ? NGX_OK : ngx_http_warehouse_outcomes_damaged(r);
}


static ngx_int_t
ngx_http_warehouse_outcomes_damaged(ngx_http_warehouse_reader_t *r)
{
    return ngx_http_warehouse_reader_result(r,
                         wh_error_set(&r->err, WH_ERROR, "the database has a "
                                      "row of outcomes that cannot be read"
                                      WH_SCHEMA_DAMAGED));
}
