/*
 * Those subscribers who catch up with the others: they go along in passes over
 * what was notified.
 */

#ifndef _NGX_HTTP_WAREHOUSE_BEHIND_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_BEHIND_H_INCLUDED_


#include "ngx_http_warehouse_feed.h"


/*
 * Gives them as much as one turn of the loop is enough for, up to where the
 * others are.  True: there is more to give at once.
 */
ngx_uint_t ngx_http_warehouse_behind(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_reader_t *reader);


#endif /* _NGX_HTTP_WAREHOUSE_BEHIND_H_INCLUDED_ */
