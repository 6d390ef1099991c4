#include "ngx_http_warehouse_pending.h"
#include "ngx_http_warehouse_zone.h"


struct ngx_http_warehouse_pending_s {
    ngx_http_warehouse_waiter_t  *waiter;    /* or NULL */
};


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
    waiter->pending = pn;

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

    ngx_free(pn);

    pendings->n--;
    ngx_http_warehouse_slot->queue--;

    return waiter;
}


void
ngx_http_warehouse_forget(ngx_http_warehouse_waiter_t *waiter)
{
    if (waiter->pending != NULL) {
        waiter->pending->waiter = NULL;
        waiter->pending = NULL;
    }
}
