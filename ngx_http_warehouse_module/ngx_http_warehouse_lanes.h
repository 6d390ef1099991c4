/*
 * Those that wait for the daemon, by the partition and the offset that they wait
 * for.
 */

#ifndef _NGX_HTTP_WAREHOUSE_LANES_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_LANES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_warehouse_watch.h"


/* Of one partition. */

struct ngx_http_warehouse_lane_s {
    ngx_rbtree_node_t   node;
    ngx_str_t           topic;        /* its bytes are the caller's */
    int32_t             partition;
    ngx_rbtree_t        tree;         /* by offset */
    ngx_rbtree_node_t   sentinel;
};


void ngx_http_warehouse_lanes_init(ngx_rbtree_t *lanes,
    ngx_rbtree_node_t *sentinel);

/* The lane of a partition of topic, made if need be.  NULL: out of memory. */
ngx_http_warehouse_lane_t *ngx_http_warehouse_lane(ngx_rbtree_t *lanes,
    ngx_str_t *topic, int32_t partition);

/* The first lane that is not before a partition of topic; NULL: there is none. */
ngx_http_warehouse_lane_t *ngx_http_warehouse_lane_from(ngx_rbtree_t *lanes,
    ngx_str_t *topic, int64_t partition);

/* An empty lane is of no more use. */
void ngx_http_warehouse_lane_free(ngx_rbtree_t *lanes,
    ngx_http_warehouse_lane_t *lane);

/* Who waits for the smallest offset; NULL: nobody waits. */
ngx_http_warehouse_awaited_t *ngx_http_warehouse_lane_first(
    ngx_http_warehouse_lane_t *lane);

void ngx_http_warehouse_lane_add(ngx_http_warehouse_lane_t *lane,
    ngx_http_warehouse_awaited_t *awaited);
void ngx_http_warehouse_lane_remove(ngx_http_warehouse_awaited_t *awaited);


#endif /* _NGX_HTTP_WAREHOUSE_LANES_H_INCLUDED_ */
