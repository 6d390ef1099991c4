/*
 * Reading what became of commands: by the handle of points.h, in a transaction
 * that ngx_http_warehouse_points_begin() began.
 */

#ifndef _NGX_HTTP_WAREHOUSE_OUTCOMES_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_OUTCOMES_H_INCLUDED_


#include "ngx_http_warehouse_reader.h"
#include "wh_kept.h"


/*
 * Makes ready to read them.  NGX_OK; NGX_DECLINED: the database has none, its
 * schema is older, and only positions can be read; NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_outcomes_open(
    ngx_http_warehouse_reader_t *reader);

/*
 * The first offset in a partition of topic, or of the daemon's own where topic
 * is empty, that is not processed; -1: none is known of there.  NGX_OK,
 * NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_outcomes_next(
    ngx_http_warehouse_reader_t *reader, ngx_str_t *topic, int32_t partition,
    int64_t *next);

/*
 * The same of the first partition from *partition on of which one is known.
 * NGX_OK; NGX_DONE: there is none; NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_outcomes_next_from(
    ngx_http_warehouse_reader_t *reader, ngx_str_t *topic, int32_t *partition,
    int64_t *next);

/*
 * The outcome of the command at a position that was processed.  NGX_OK: *kept,
 * whose texts are there until the next call or the transaction's end; NGX_DONE:
 * it is not known; NGX_DECLINED: there never was a command; NGX_ERROR.  Asked
 * for in the order of their offsets they cost least.
 */
ngx_int_t ngx_http_warehouse_outcomes_find(
    ngx_http_warehouse_reader_t *reader, ngx_str_t *topic, int32_t partition,
    int64_t offset, wh_kept_t *kept);


/* A notification, as ngx_http_warehouse_outcomes_feed() gives it. */

typedef struct {
    const wh_kept_t  *kept;
    const char       *topic;         /* of the command */
    int32_t           partition;
} ngx_http_warehouse_news_t;


/* NGX_OK: taken; NGX_AGAIN: no more, not even this one. */
typedef ngx_int_t (*ngx_http_warehouse_give_pt)(void *data,
    const ngx_http_warehouse_news_t *news);

/*
 * The notifications from position *next on, in order, *most of them at a time,
 * which it counts down; moves *next behind those that were given.  upto: the
 * database's position.  NGX_OK: *next has reached it; NGX_AGAIN: there are more;
 * NGX_DECLINED: from *next on not all are there; NGX_ERROR.
 */
ngx_int_t ngx_http_warehouse_outcomes_feed(
    ngx_http_warehouse_reader_t *reader, int64_t *next, int64_t upto,
    ngx_uint_t *most, ngx_http_warehouse_give_pt give, void *data);


#endif /* _NGX_HTTP_WAREHOUSE_OUTCOMES_H_INCLUDED_ */
