/*
 * One who follows notifications: what it wants, and what it is told.
 */

#ifndef _NGX_HTTP_WAREHOUSE_SUBSCRIBER_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_SUBSCRIBER_H_INCLUDED_


#include "ngx_http_warehouse_feed.h"
#include "ngx_http_warehouse_outcomes.h"


/* of one event */
#define NGX_HTTP_WAREHOUSE_EVENT  (WH_NOTIFICATION_LEN + 64)


/* A sku that somebody follows. */

typedef struct {
    ngx_str_node_t                    sn;
    ngx_queue_t                       interests;
    u_char                            name[WH_SKU_MAX];
} ngx_http_warehouse_followed_sku_t;


/* Who does. */

typedef struct {
    ngx_queue_t                       link;
    ngx_http_warehouse_followed_sku_t  *sku;
    ngx_http_warehouse_subscriber_t  *subscriber;
} ngx_http_warehouse_interest_t;


struct ngx_http_warehouse_subscriber_s {
    ngx_http_warehouse_stream_t       stream;
    ngx_http_warehouse_feed_t        *feed;
    ngx_http_warehouse_interest_t    *interests;
    ngx_uint_t                        n;           /* of those; 0: a prefix */
    ngx_str_t                         prefix;
    int64_t                           next;        /* while it is behind */
    ngx_uint_t                        round;       /* the same: the first */
    ngx_msec_t                        since;       /* when it got behind */
    ngx_msec_t                        told;        /* when, last */
    ngx_msec_t                        heartbeat;
    ngx_queue_t                       link;        /* where n is 0 */
    ngx_queue_t                       behind_link;
    ngx_queue_t                       dirty_link;
    ngx_queue_t                       quiet_link;
    unsigned                          behind:1;
    unsigned                          along:1;     /* in a pass, see behind.c */
    unsigned                          dirty:1;
    unsigned                          begun:1;
};


/* A notification that is given to some. */

typedef struct {
    const ngx_http_warehouse_news_t  *news;
    size_t                            len;         /* 0: not written yet */
    char                              text[NGX_HTTP_WAREHOUSE_EVENT];
} ngx_http_warehouse_event_t;


/*
 * Offers a notification to all who want it: of those who name no sku, to a queue
 * of the feed's, broad or broad_behind; of the others, to all.
 */
void ngx_http_warehouse_subscriber_offer(ngx_http_warehouse_feed_t *feed,
    ngx_queue_t *broad, const ngx_http_warehouse_news_t *news,
    void (*take)(ngx_http_warehouse_subscriber_t *s,
                 ngx_http_warehouse_event_t *event));

/* It has been told as much as the others; or from next on it has not. */
void ngx_http_warehouse_subscriber_join(ngx_http_warehouse_subscriber_t *s);
void ngx_http_warehouse_subscriber_fall_behind(
    ngx_http_warehouse_subscriber_t *s, int64_t next);

/* How many events its stream has room for, whatever they are like. */
ngx_uint_t ngx_http_warehouse_subscriber_room(
    ngx_http_warehouse_subscriber_t *s);

/*
 * Put something behind what it is sent once the transaction is over: an event,
 * which is written for the first who gets it; that the list has to be loaded
 * again; how far it has been told, behind another text; any text.
 */
void ngx_http_warehouse_subscriber_give(ngx_http_warehouse_subscriber_t *s,
    ngx_http_warehouse_event_t *event);
void ngx_http_warehouse_subscriber_reset(ngx_http_warehouse_subscriber_t *s);
void ngx_http_warehouse_subscriber_id(ngx_http_warehouse_subscriber_t *s,
    const char *before);
void ngx_http_warehouse_subscriber_put(ngx_http_warehouse_subscriber_t *s,
    const void *text, size_t len);


#endif /* _NGX_HTTP_WAREHOUSE_SUBSCRIBER_H_INCLUDED_ */
