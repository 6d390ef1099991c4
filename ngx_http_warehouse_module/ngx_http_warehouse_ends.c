#include "ngx_http_warehouse_ends.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_report.h"
#include "ngx_http_warehouse_zone.h"
#include "wh_metric.h"

#include <xxhash.h>


/* s: of what the daemon writes every second; past it a partition may be longer */
#define NGX_HTTP_WAREHOUSE_ENDS_OLD  3


static ngx_atomic_uint_t ngx_http_warehouse_ends_key(const char *topic,
    size_t len, int32_t partition);
static ngx_http_warehouse_end_t *ngx_http_warehouse_ends_find(
    ngx_atomic_uint_t key, ngx_uint_t create);
static ngx_int_t ngx_http_warehouse_ends_daemon(ngx_http_request_t *r,
    ngx_str_t *topic, int32_t partition, int64_t *end);


void
ngx_http_warehouse_ends_raise(const char *topic, int32_t partition,
    int64_t offset)
{
    ngx_atomic_uint_t          last;
    ngx_http_warehouse_end_t  *end;

    end = ngx_http_warehouse_ends_find(
                          ngx_http_warehouse_ends_key(topic, ngx_strlen(topic),
                                                      partition),
                          1);
    if (end == NULL) {
        return;
    }

    do {
        last = end->next;
    } while (last < (ngx_atomic_uint_t) offset + 1
             && !ngx_atomic_cmp_set(&end->next, last,
                                    (ngx_atomic_uint_t) offset + 1));
}


/* Two partitions with one key would be taken for each other: not to be met. */

static ngx_atomic_uint_t
ngx_http_warehouse_ends_key(const char *topic, size_t len, int32_t partition)
{
    ngx_atomic_uint_t  key;

    key = (ngx_atomic_uint_t) XXH64(topic, len,
                                    (XXH64_hash_t) partition + 1);

    return key ? key : 1;
}


/* The end with a key; NULL: there is none, or no room to create one. */

static ngx_http_warehouse_end_t *
ngx_http_warehouse_ends_find(ngx_atomic_uint_t key, ngx_uint_t create)
{
    ngx_uint_t                 i, n;
    ngx_http_warehouse_end_t  *end;

    for (n = 0; n < NGX_HTTP_WAREHOUSE_ENDS; n++) {
        i = (key + n) % NGX_HTTP_WAREHOUSE_ENDS;
        end = &ngx_http_warehouse_zone->ends[i];

        if (end->key == 0 && !create) {
            return NULL;
        }

        if (end->key == 0) {
            (void) ngx_atomic_cmp_set(&end->key, 0, key);
        }

        if (end->key == key) {
            return end;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_warehouse_ends_reach(ngx_http_request_t *r, ngx_str_t *topic,
    const wh_position_t *position)
{
    int64_t                    seen;
    ngx_http_warehouse_end_t  *end;

    end = ngx_http_warehouse_ends_find(
                       ngx_http_warehouse_ends_key((char *) topic->data,
                                                   topic->len,
                                                   position->partition),
                       0);

    if (end != NULL && position->offset < (int64_t) end->next) {
        return 1;
    }

    return ngx_http_warehouse_ends_daemon(r, topic, position->partition, &seen)
           != NGX_OK
           || position->offset < seen;
}


/* NGX_OK: *end is what it sees, 0 of a partition that is none. */

static ngx_int_t
ngx_http_warehouse_ends_daemon(ngx_http_request_t *r, ngx_str_t *topic,
    int32_t partition, int64_t *end)
{
    u_char                            *labels, *last;
    ngx_uint_t                         lag;
    const char                        *p, *stop;
    wh_sample_t                        sample;
    ngx_http_warehouse_loc_conf_t     *wlcf;
    ngx_http_warehouse_report_file_t   report;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    if (ngx_http_warehouse_report_read(r->pool,
                                       ngx_http_warehouse_db_path(wlcf->db),
                                       &report)
        != NGX_OK
        || report.age > NGX_HTTP_WAREHOUSE_ENDS_OLD)
    {
        return NGX_DECLINED;
    }

    labels = ngx_pnalloc(r->pool, sizeof("topic=\"\",partition=\"\"")
                                  + topic->len + NGX_INT32_LEN);
    if (labels == NULL) {
        return NGX_DECLINED;
    }

    last = ngx_sprintf(labels, "topic=\"%V\",partition=\"%D\"", topic,
                       partition);

    lag = 0;
    *end = 0;
    p = (char *) report.text.data;
    stop = p + report.text.len;

    while (wh_metric_next(&p, stop, &sample)) {

        if (wh_sample_is(&sample, "warehouse_consumer_lag_commands")) {
            lag = 1;

        } else if (!wh_sample_is(&sample, "warehouse_consumer_position")) {
            continue;
        }

        if (sample.labels_len == (size_t) (last - labels)
            && ngx_memcmp(sample.labels, labels, sample.labels_len) == 0
            && sample.value >= 0 && sample.value < 9e15)
        {
            *end += (int64_t) sample.value;
        }
    }

    /* without its lag it does not know where the partitions end */

    return lag ? NGX_OK : NGX_DECLINED;
}
