#include "ngx_http_warehouse_subscriber.h"
#include "ngx_http_warehouse_zone.h"


static ngx_int_t ngx_http_warehouse_subscriber_choose(
    ngx_http_warehouse_subscriber_t *s, const wh_args_t *args);
static ngx_int_t ngx_http_warehouse_subscriber_interest(
    ngx_http_warehouse_feed_t *feed, ngx_http_warehouse_interest_t *interest,
    const wh_args_text_t *sku);
static void ngx_http_warehouse_subscriber_leave(void *data);
static void ngx_http_warehouse_subscriber_file(
    ngx_http_warehouse_subscriber_t *s);
static ngx_uint_t ngx_http_warehouse_subscriber_wants(
    ngx_http_warehouse_subscriber_t *s, const wh_command_t *command);
static void ngx_http_warehouse_event_write(ngx_http_warehouse_event_t *event);
static ngx_uint_t ngx_http_warehouse_subscriber_listens(
    ngx_http_warehouse_subscriber_t *s);


ngx_http_warehouse_subscriber_t *
ngx_http_warehouse_feed_subscribe(ngx_http_warehouse_feed_t *feed,
    ngx_http_request_t *r, const wh_args_t *args)
{
    ngx_pool_cleanup_t               *cln;
    ngx_http_warehouse_subscriber_t  *s;

    cln = ngx_pool_cleanup_add(r->pool,
                               sizeof(ngx_http_warehouse_subscriber_t));
    if (cln == NULL) {
        return NULL;
    }

    s = cln->data;
    ngx_memzero(s, sizeof(ngx_http_warehouse_subscriber_t));

    s->feed = feed;
    s->next = (args->offset == WH_ARGS_NOW)
              ? -1 : ngx_min(args->offset, WH_QTY_MAX) + 1;
    s->prefix.len = args->prefix.len;
    s->prefix.data = ngx_pnalloc(r->pool, args->prefix.len + 1);
    s->interests = ngx_pcalloc(r->pool,
                       (args->n + 1) * sizeof(ngx_http_warehouse_interest_t));

    if (s->prefix.data == NULL || s->interests == NULL) {
        return NULL;
    }

    /* memcpy() must not be given a NULL, of however few bytes */

    if (args->prefix.len > 0) {
        ngx_memcpy(s->prefix.data, args->prefix.data, args->prefix.len);
    }

    cln->handler = ngx_http_warehouse_subscriber_leave;

    s->behind = 1;
    s->round = feed->round + 1;
    ngx_queue_init(&s->link);
    ngx_queue_insert_tail(&feed->behind, &s->behind_link);
    ngx_queue_insert_tail(&feed->quiet, &s->quiet_link);
    feed->observer.active++;
    ngx_http_warehouse_slot->subscribers++;

    return (ngx_http_warehouse_subscriber_choose(s, args) == NGX_OK) ? s : NULL;
}


/* What it wants: some skus, or whatever has its prefix. */

static ngx_int_t
ngx_http_warehouse_subscriber_choose(ngx_http_warehouse_subscriber_t *s,
    const wh_args_t *args)
{
    size_t                          i;
    ngx_int_t                       rc;
    ngx_http_warehouse_interest_t  *interest;

    for (i = 0; i < args->n; i++) {
        interest = &s->interests[s->n];
        interest->subscriber = s;

        rc = ngx_http_warehouse_subscriber_interest(s->feed, interest,
                                                    &args->skus[i]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        s->n += (rc == NGX_OK);
    }

    ngx_http_warehouse_subscriber_file(s);

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_subscriber_interest(ngx_http_warehouse_feed_t *feed,
    ngx_http_warehouse_interest_t *interest, const wh_args_text_t *text)
{
    uint32_t                            hash;
    ngx_str_t                           name;
    ngx_http_warehouse_followed_sku_t  *sku;

    name.data = (u_char *) text->data;
    name.len = text->len;
    hash = ngx_crc32_short(name.data, name.len);

    sku = (ngx_http_warehouse_followed_sku_t *)
              ngx_str_rbtree_lookup(&feed->skus, &name, hash);

    if (sku == NULL) {
        sku = ngx_alloc(sizeof(ngx_http_warehouse_followed_sku_t),
                        ngx_cycle->log);
        if (sku == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(sku->name, name.data, name.len);
        sku->sn.str.data = sku->name;
        sku->sn.str.len = name.len;
        sku->sn.node.key = hash;

        ngx_queue_init(&sku->interests);
        ngx_rbtree_insert(&feed->skus, &sku->sn.node);
    }

    /* named twice, it is followed once: the last one there is the same's */

    interest->sku = sku;

    if (!ngx_queue_empty(&sku->interests)
        && (ngx_queue_data(ngx_queue_last(&sku->interests),
                           ngx_http_warehouse_interest_t, link))->subscriber
           == interest->subscriber)
    {
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&sku->interests, &interest->link);

    return NGX_OK;
}


/* Its request ends. */

static void
ngx_http_warehouse_subscriber_leave(void *data)
{
    ngx_http_warehouse_subscriber_t *s = data;

    ngx_uint_t                          i;
    ngx_http_warehouse_followed_sku_t  *sku;

    for (i = 0; i < s->n; i++) {
        sku = s->interests[i].sku;
        ngx_queue_remove(&s->interests[i].link);

        if (ngx_queue_empty(&sku->interests)) {
            ngx_rbtree_delete(&s->feed->skus, &sku->sn.node);
            ngx_free(sku);
        }
    }

    ngx_queue_remove(&s->link);

    if (s->behind) {
        ngx_queue_remove(&s->behind_link);
    }

    if (s->dirty) {
        ngx_queue_remove(&s->dirty_link);
    }

    ngx_queue_remove(&s->quiet_link);

    s->feed->live -= !s->behind;
    s->feed->observer.active--;
    ngx_http_warehouse_slot->subscribers--;

    ngx_http_warehouse_stream_free(&s->stream);
}


void
ngx_http_warehouse_subscriber_join(ngx_http_warehouse_subscriber_t *s)
{
    s->behind = 0;
    s->feed->live++;
    ngx_queue_remove(&s->behind_link);

    ngx_http_warehouse_subscriber_file(s);
}


void
ngx_http_warehouse_subscriber_fall_behind(ngx_http_warehouse_subscriber_t *s,
    int64_t next)
{
    s->behind = 1;
    s->next = next;
    s->round = s->feed->round + 1;
    s->since = ngx_current_msec;
    s->feed->live--;
    ngx_queue_insert_tail(&s->feed->behind, &s->behind_link);

    ngx_http_warehouse_subscriber_file(s);
}


/* One who names no sku is in the queue of those who are as far as it is. */

static void
ngx_http_warehouse_subscriber_file(ngx_http_warehouse_subscriber_t *s)
{
    if (s->n == 0) {
        ngx_queue_remove(&s->link);
        ngx_queue_insert_tail(s->behind ? &s->feed->broad_behind
                                        : &s->feed->broad,
                              &s->link);
    }
}


void
ngx_http_warehouse_subscriber_offer(ngx_http_warehouse_feed_t *feed,
    ngx_queue_t *broad, const ngx_http_warehouse_news_t *news,
    void (*take)(ngx_http_warehouse_subscriber_t *s,
                 ngx_http_warehouse_event_t *event))
{
    ngx_str_t                           name;
    ngx_queue_t                        *q, *next;
    const wh_command_t                 *command;
    ngx_http_warehouse_event_t          event;
    ngx_http_warehouse_subscriber_t    *s;
    ngx_http_warehouse_followed_sku_t  *sku;

    event.news = news;
    event.len = 0;

    command = &news->kept->command;

    for (q = ngx_queue_head(broad);
         q != ngx_queue_sentinel(broad);
         q = next)
    {
        /* who takes it may fall behind */
        next = ngx_queue_next(q);

        s = ngx_queue_data(q, ngx_http_warehouse_subscriber_t, link);

        if (ngx_http_warehouse_subscriber_wants(s, command)) {
            take(s, &event);
        }
    }

    if (feed->skus.root == &feed->sentinel) {
        return;
    }

    name.data = (u_char *) command->sku;
    name.len = command->sku_len;

    sku = (ngx_http_warehouse_followed_sku_t *)
              ngx_str_rbtree_lookup(&feed->skus, &name,
                                    ngx_crc32_short(name.data, name.len));
    if (sku == NULL) {
        return;
    }

    for (q = ngx_queue_head(&sku->interests);
         q != ngx_queue_sentinel(&sku->interests);
         q = ngx_queue_next(q))
    {
        take((ngx_queue_data(q, ngx_http_warehouse_interest_t, link))
                 ->subscriber,
             &event);
    }
}


static ngx_uint_t
ngx_http_warehouse_subscriber_wants(ngx_http_warehouse_subscriber_t *s,
    const wh_command_t *command)
{
    return s->prefix.len <= command->sku_len
           && ngx_memcmp(s->prefix.data, command->sku, s->prefix.len) == 0;
}


ngx_uint_t
ngx_http_warehouse_subscriber_room(ngx_http_warehouse_subscriber_t *s)
{
    return (s->stream.limit - s->stream.len) / NGX_HTTP_WAREHOUSE_EVENT;
}


void
ngx_http_warehouse_subscriber_give(ngx_http_warehouse_subscriber_t *s,
    ngx_http_warehouse_event_t *event)
{
    if (!ngx_http_warehouse_subscriber_listens(s)) {
        return;
    }

    if (event->len == 0) {
        ngx_http_warehouse_event_write(event);
    }

    ngx_http_warehouse_subscriber_put(s, event->text, event->len);
    ngx_http_warehouse_count(events);
}


/* Its id, and the notification as it is in Kafka. */

static void
ngx_http_warehouse_event_write(ngx_http_warehouse_event_t *event)
{
    wh_text_t         t;
    const wh_kept_t  *kept;

    kept = event->news->kept;

    wh_text_init(&t, event->text, sizeof(event->text));

    wh_text_put(&t, "id: ");
    wh_text_int(&t, kept->notified);
    wh_text_put(&t, "\ndata: {");
    wh_command_put_fields(&t, &kept->command);
    wh_text_put(&t, ",\"stock\":");
    wh_text_int(&t, kept->stock);
    wh_text_put(&t, ",\"version\":");
    wh_text_int(&t, kept->version);
    wh_text_put(&t, ",\"source\":");
    wh_source_put(&t, event->news->topic, event->news->partition,
                  kept->offset);
    wh_text_put(&t, "}\n\n");

    event->len = wh_text_len(&t);
}


void
ngx_http_warehouse_subscriber_reset(ngx_http_warehouse_subscriber_t *s)
{
    u_char   text[sizeof("data: {\"position\":\"0:\"}\n\n") + NGX_INT64_LEN];
    u_char  *p;

    static const char  event[] = "event: reset\n";

    ngx_http_warehouse_count(resets);

    ngx_http_warehouse_subscriber_put(s, event, sizeof(event) - 1);

    p = ngx_sprintf(text, "data: {\"position\":\"0:%L\"}\n", s->feed->next);
    ngx_http_warehouse_subscriber_put(s, text, p - text);

    ngx_http_warehouse_subscriber_id(s, "");
}


static ngx_uint_t
ngx_http_warehouse_subscriber_listens(ngx_http_warehouse_subscriber_t *s)
{
    return s->begun && ngx_http_warehouse_stream_goes_on(&s->stream);
}


/* It is sent when the transaction is over. */

void
ngx_http_warehouse_subscriber_put(ngx_http_warehouse_subscriber_t *s,
    const void *text, size_t len)
{
    if (!ngx_http_warehouse_subscriber_listens(s)) {
        return;
    }

    ngx_http_warehouse_stream_put(&s->stream, text, len);

    if (!s->dirty) {
        s->dirty = 1;
        ngx_queue_insert_tail(&s->feed->dirty, &s->dirty_link);
    }
}


/* What it has been told of: whoever comes back goes on from there. */

void
ngx_http_warehouse_subscriber_id(ngx_http_warehouse_subscriber_t *s,
    const char *before)
{
    u_char   text[sizeof(":\nid: \n\n") + NGX_INT64_LEN];
    u_char  *p;

    p = ngx_sprintf(text, "%sid: %L\n\n", before, s->feed->next - 1);

    ngx_http_warehouse_subscriber_put(s, text, p - text);
}
