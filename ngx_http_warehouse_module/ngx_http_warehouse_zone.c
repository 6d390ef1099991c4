#include "ngx_http_warehouse_zone.h"
#include "ngx_http_warehouse_conf.h"
#include "wh_version.h"


static ngx_int_t ngx_http_warehouse_zone_init(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_uint_t ngx_http_warehouse_slot_take(
    ngx_http_warehouse_slot_t *slot);


/* the last one stands for all others */

static const ngx_uint_t
    ngx_http_warehouse_codes[NGX_HTTP_WAREHOUSE_CODES] = {
    200, 206, 304, 400, 403, 404, 405, 406, 408, 409, 410, 412, 413, 415, 416,
    422, 499, 500, 502, 503, 504, 0
};


static ngx_http_warehouse_zone_t  ngx_http_warehouse_nobody;

ngx_http_warehouse_zone_t  *ngx_http_warehouse_zone =
                                                &ngx_http_warehouse_nobody;
ngx_http_warehouse_slot_t  *ngx_http_warehouse_slot =
                                       &ngx_http_warehouse_nobody.slots[0];


ngx_shm_zone_t *
ngx_http_warehouse_zone_add(ngx_conf_t *cf)
{
    size_t           size;
    ngx_shm_zone_t  *zone;

    /* another version may have another layout: nothing is shared with that */

    static ngx_str_t  name = ngx_string("warehouse-" WH_VERSION);

    size = ngx_align(sizeof(ngx_http_warehouse_zone_t), ngx_pagesize)
           + 8 * ngx_pagesize;

    zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_warehouse_module);

    if (zone != NULL) {
        zone->init = ngx_http_warehouse_zone_init;
    }

    return zone;
}


static ngx_int_t
ngx_http_warehouse_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_slab_pool_t  *pool;

    if (data != NULL) {
        /* the counters go on after a reload */
        shm_zone->data = data;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    if (shm_zone->shm.exists) {
        shm_zone->data = pool->data;
        return NGX_OK;
    }

    pool->data = ngx_slab_calloc(pool, sizeof(ngx_http_warehouse_zone_t));
    shm_zone->data = pool->data;

    return (pool->data != NULL) ? NGX_OK : NGX_ERROR;
}


void
ngx_http_warehouse_zone_join(ngx_shm_zone_t *zone)
{
    ngx_uint_t                  i;
    ngx_atomic_uint_t           pid;
    ngx_http_warehouse_slot_t  *slots;

    if (zone == NULL || zone->data == NULL) {
        return;
    }

    ngx_http_warehouse_zone = zone->data;
    slots = ngx_http_warehouse_zone->slots;

    /* of those that were killed: their ids may be given to others */

    for (i = 0; i < NGX_HTTP_WAREHOUSE_WORKERS; i++) {
        pid = slots[i].pid;

        if (pid != 0 && !ngx_http_warehouse_slot_alive(&slots[i])) {
            (void) ngx_atomic_cmp_set(&slots[i].pid, pid, 0);
        }
    }

    for (i = 0; i < NGX_HTTP_WAREHOUSE_WORKERS; i++) {
        if (ngx_http_warehouse_slot_take(&slots[i])) {
            ngx_http_warehouse_slot = &slots[i];
            return;
        }
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "warehouse: more than %d "
                  "workers: this one is left out of some metrics",
                  NGX_HTTP_WAREHOUSE_WORKERS);
}


/* One that is free, or whose process was killed; true: it is ours. */

static ngx_uint_t
ngx_http_warehouse_slot_take(ngx_http_warehouse_slot_t *slot)
{
    ngx_atomic_uint_t  pid;

    pid = slot->pid;

    if (pid != (ngx_atomic_uint_t) ngx_pid
        && (ngx_http_warehouse_slot_alive(slot)
            || !ngx_atomic_cmp_set(&slot->pid, pid,
                                   (ngx_atomic_uint_t) ngx_pid)))
    {
        return 0;
    }

    slot->waiting = 0;
    slot->following = 0;
    slot->subscribers = 0;
    slot->queue = 0;
    slot->bytes = 0;
    slot->seen = 0;
    slot->begun = (ngx_atomic_uint_t) ngx_time();

    return 1;
}


void
ngx_http_warehouse_zone_leave(void)
{
    ngx_http_warehouse_slot->pid = 0;

    /* lists that go later must not count in a slot that is another's by then */

    ngx_http_warehouse_slot = &ngx_http_warehouse_nobody.slots[0];
}


ngx_uint_t
ngx_http_warehouse_slot_alive(ngx_http_warehouse_slot_t *slot)
{
    ngx_pid_t  pid;

    pid = (ngx_pid_t) slot->pid;

    return pid != 0 && (kill(pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}


ngx_uint_t
ngx_http_warehouse_code(ngx_uint_t i)
{
    return ngx_http_warehouse_codes[i];
}


void
ngx_http_warehouse_count_request(ngx_http_warehouse_serve_e serve,
    ngx_uint_t status)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_WAREHOUSE_CODES - 1; i++) {
        if (ngx_http_warehouse_codes[i] == status) {
            break;
        }
    }

    ngx_http_warehouse_count(requests[serve][i]);
}


void
ngx_http_warehouse_count_latency(int64_t us)
{
    ngx_http_warehouse_count(latency[wh_bucket(&wh_buckets_latency, us)]);

    (void) ngx_atomic_fetch_add(&ngx_http_warehouse_zone->latency_us,
                                (ngx_atomic_int_t) us);
}
