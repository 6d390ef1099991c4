#include "ngx_http_warehouse_reach.h"
#include "ngx_http_warehouse_fate.h"
#include "wh_error.h"
#include "wh_stats.h"


void
ngx_http_warehouse_reach_stats(rd_kafka_event_t *event)
{
    time_t       seen, before;
    const char  *text;
    wh_stats_t   stats;

    text = rd_kafka_event_stats(event);

    if (wh_stats_parse(&stats, text, ngx_strlen(text)) != WH_OK
        || stats.idle < 0)
    {
        return;
    }

    seen = ngx_time() - (time_t) (stats.idle / 1000000);

    before = (time_t) ngx_http_warehouse_slot->seen;

    /* another producer of this worker may know better, if no clock was set */

    if (seen > before || before > ngx_time()) {
        ngx_http_warehouse_slot->seen = (ngx_atomic_uint_t) seen;
    }
}


void
ngx_http_warehouse_reach_report(const rd_kafka_message_t *message)
{
    ngx_http_warehouse_result_e  result;

    result = ngx_http_warehouse_result(message);

    ngx_http_warehouse_count(messages[result]);

    if (result == NGX_HTTP_WAREHOUSE_WRITTEN) {
        ngx_http_warehouse_slot->seen = (ngx_atomic_uint_t) ngx_time();
    }
}


ngx_uint_t
ngx_http_warehouse_reached(const ngx_http_warehouse_slot_t *slot)
{
    time_t  age;

    age = ngx_time() - (time_t) slot->seen;

    return age >= 0 && age <= NGX_HTTP_WAREHOUSE_REACH;
}


ngx_uint_t
ngx_http_warehouse_reach_young(void)
{
    time_t      age;
    ngx_uint_t  i;

    age = ngx_time() - (time_t) ngx_http_warehouse_slot->begun;

    if (ngx_http_warehouse_slot->seen != 0
        || age < 0 || age > NGX_HTTP_WAREHOUSE_REACH)
    {
        return 0;
    }

    /* also one that has just left: what it has seen stands in its slot */

    for (i = 0; i < NGX_HTTP_WAREHOUSE_WORKERS; i++) {
        if (ngx_http_warehouse_reached(&ngx_http_warehouse_zone->slots[i])) {
            return 1;
        }
    }

    return 0;
}
