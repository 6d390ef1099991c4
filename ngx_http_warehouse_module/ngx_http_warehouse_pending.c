#include "ngx_http_warehouse_pending.h"
#include "ngx_http_warehouse_zone.h"


struct ngx_http_warehouse_pending_s {
    ngx_http_warehouse_waiter_t  *waiter;    /* or NULL */
    ngx_queue_t                   link;
    ngx_msec_t                    since;     /* ngx_current_msec */
};


void
ngx_http_warehouse_pendings_init(ngx_http_warehouse_pendings_t *pendings)
{
    ngx_queue_init(&pendings->queue);
    pendings->n = 0;
}


ngx_http_warehouse_pending_t *
ngx_http_warehouse_pending_begin(ngx_http_warehouse_pendings_t *pendings,
    ngx_http_warehouse_waiter_t *waiter)
{
    ngx_http_warehouse_pending_t  *pn;

    /* not from the waiter's pool: the report may come after the waiter */

    pn = ngx_alloc(sizeof(ngx_http_warehouse_pending_t), ngx_cycle->log);
    if (pn == NULL) {
        return NULL;
    }

    pn->waiter = waiter;
    pn->since = ngx_current_msec;
    waiter->pending = pn;

    ngx_queue_insert_tail(&pendings->queue, &pn->link);
    pendings->n++;
    ngx_http_warehouse_slot->queue++;

    return pn;
}


ngx_http_warehouse_waiter_t *
ngx_http_warehouse_pending_end(ngx_http_warehouse_pendings_t *pendings,
    ngx_http_warehouse_pending_t *pn)
{
    ngx_http_warehouse_waiter_t  *waiter;

    waiter = pn->waiter;

    if (waiter != NULL) {
        waiter->pending = NULL;
    }

    ngx_queue_remove(&pn->link);
    ngx_free(pn);

    pendings->n--;
    ngx_http_warehouse_slot->queue--;

    return waiter;
}


ngx_msec_t
ngx_http_warehouse_pendings_age(const ngx_http_warehouse_pendings_t *pendings)
{
    ngx_queue_t                   *q;
    ngx_http_warehouse_pending_t  *pn;

    if (ngx_queue_empty(&pendings->queue)) {
        return 0;
    }

    q = ngx_queue_head(&pendings->queue);
    pn = ngx_queue_data(q, ngx_http_warehouse_pending_t, link);

    return ngx_current_msec - pn->since;
}


void
ngx_http_warehouse_forget(ngx_http_warehouse_waiter_t *waiter)
{
    if (waiter->pending != NULL) {
        waiter->pending->waiter = NULL;
        waiter->pending = NULL;
    }
}
