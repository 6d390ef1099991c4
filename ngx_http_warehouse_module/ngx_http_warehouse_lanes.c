#include "ngx_http_warehouse_lanes.h"


static ngx_int_t ngx_http_warehouse_lane_order(ngx_http_warehouse_lane_t *lane,
    ngx_str_t *topic, int64_t partition);
static void ngx_http_warehouse_lane_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_http_warehouse_lane_insert_awaited(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static void ngx_http_warehouse_lane_link(ngx_rbtree_node_t **p,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *parent,
    ngx_rbtree_node_t *sentinel);


void
ngx_http_warehouse_lanes_init(ngx_rbtree_t *lanes, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_init(lanes, sentinel, ngx_http_warehouse_lane_insert);
}


ngx_http_warehouse_lane_t *
ngx_http_warehouse_lane(ngx_rbtree_t *lanes,
    ngx_str_t *topic, int32_t partition)
{
    ngx_http_warehouse_lane_t  *lane;

    lane = ngx_http_warehouse_lane_from(lanes, topic, partition);

    if (lane != NULL
        && ngx_http_warehouse_lane_order(lane, topic, partition) == 0)
    {
        return lane;
    }

    lane = ngx_alloc(sizeof(ngx_http_warehouse_lane_t), ngx_cycle->log);
    if (lane == NULL) {
        return NULL;
    }

    lane->topic = *topic;
    lane->partition = partition;

    ngx_rbtree_init(&lane->tree, &lane->sentinel,
                    ngx_http_warehouse_lane_insert_awaited);
    ngx_rbtree_insert(lanes, &lane->node);

    return lane;
}


ngx_http_warehouse_lane_t *
ngx_http_warehouse_lane_from(ngx_rbtree_t *lanes,
    ngx_str_t *topic, int64_t partition)
{
    ngx_rbtree_node_t          *node;
    ngx_http_warehouse_lane_t  *lane, *found;

    found = NULL;
    node = lanes->root;

    while (node != lanes->sentinel) {
        lane = ngx_rbtree_data(node, ngx_http_warehouse_lane_t, node);

        if (ngx_http_warehouse_lane_order(lane, topic, partition) < 0) {
            node = node->right;

        } else {
            found = lane;
            node = node->left;
        }
    }

    return found;
}


static ngx_int_t
ngx_http_warehouse_lane_order(ngx_http_warehouse_lane_t *lane,
    ngx_str_t *topic, int64_t partition)
{
    ngx_int_t  rc;

    /* none of either is a NULL, which memcmp() must not be given */

    rc = (lane->topic.len != topic->len)
         ? (lane->topic.len < topic->len ? -1 : 1)
         : (topic->len == 0)
         ? 0 : ngx_memcmp(lane->topic.data, topic->data, topic->len);

    if (rc != 0) {
        return rc;
    }

    return (lane->partition > partition) - (lane->partition < partition);
}


static void
ngx_http_warehouse_lane_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t          **p;
    ngx_http_warehouse_lane_t   *one, *other;

    one = ngx_rbtree_data(node, ngx_http_warehouse_lane_t, node);

    for ( ;; ) {
        other = ngx_rbtree_data(temp, ngx_http_warehouse_lane_t, node);
        p = (ngx_http_warehouse_lane_order(other, &one->topic, one->partition)
             > 0) ? &temp->left : &temp->right;

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    ngx_http_warehouse_lane_link(p, node, temp, sentinel);
}


void
ngx_http_warehouse_lane_free(ngx_rbtree_t *lanes,
    ngx_http_warehouse_lane_t *lane)
{
    ngx_rbtree_delete(lanes, &lane->node);
    ngx_free(lane);
}


void
ngx_http_warehouse_lane_add(ngx_http_warehouse_lane_t *lane,
    ngx_http_warehouse_awaited_t *awaited)
{
    ngx_rbtree_insert(&lane->tree, &awaited->node);
    awaited->lane = lane;
}


void
ngx_http_warehouse_lane_remove(ngx_http_warehouse_awaited_t *awaited)
{
    ngx_rbtree_delete(&awaited->lane->tree, &awaited->node);
    awaited->lane = NULL;
}


static void
ngx_http_warehouse_lane_insert_awaited(ngx_rbtree_node_t *temp,
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

    ngx_http_warehouse_lane_link(p, node, temp, sentinel);
}


static void
ngx_http_warehouse_lane_link(ngx_rbtree_node_t **p, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *parent, ngx_rbtree_node_t *sentinel)
{
    *p = node;
    node->parent = parent;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


ngx_http_warehouse_awaited_t *
ngx_http_warehouse_lane_first(ngx_http_warehouse_lane_t *lane)
{
    if (lane->tree.root == &lane->sentinel) {
        return NULL;
    }

    return ngx_rbtree_data(ngx_rbtree_min(lane->tree.root, &lane->sentinel),
                           ngx_http_warehouse_awaited_t, node);
}
