#include "ngx_http_warehouse_producers.h"
#include "ngx_http_warehouse_reaper.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_RETRY    1000    /* ms between two creations */

/* at exit, ms: 1.5 s after SIGTERM the master kills what is left */
#define NGX_HTTP_WAREHOUSE_DRAIN    400     /* for reports */
#define NGX_HTTP_WAREHOUSE_REAP     500     /* for the handles' threads */


void
ngx_http_warehouse_producers_init(ngx_http_warehouse_producers_t *producers,
    ngx_http_warehouse_kafka_t *kafka)
{
    ngx_memzero(producers, sizeof(ngx_http_warehouse_producers_t));

    producers->kafka = kafka;
    producers->retry = ngx_current_msec;

    ngx_queue_init(&producers->retired);
    ngx_str_set(&producers->outage.name, "kafka");
}


ngx_int_t
ngx_http_warehouse_producers_ready(ngx_http_warehouse_producers_t *producers)
{
    if (producers->current != NULL) {
        return NGX_OK;
    }

    if ((ngx_msec_int_t) (ngx_current_msec - producers->retry) < 0) {
        return NGX_AGAIN;
    }

    /* also where it succeeds: a producer may fail with its first message */

    producers->retry = ngx_current_msec + NGX_HTTP_WAREHOUSE_RETRY;
    producers->denied = 0;
    producers->current = ngx_http_warehouse_producer_create(producers);

    if (producers->current == NULL) {
        return NGX_AGAIN;
    }

    ngx_http_warehouse_count(producers);
    ngx_log_error(NGX_LOG_INFO, ngx_cycle->log, 0,
                  "warehouse: kafka: a producer was created");

    return NGX_OK;
}


ngx_int_t
ngx_http_warehouse_produce(ngx_http_warehouse_producers_t *producers,
    const ngx_http_warehouse_message_t *message,
    ngx_http_warehouse_waiter_t *waiter, ngx_http_warehouse_fate_e *fate)
{
    if (ngx_http_warehouse_producers_ready(producers) == NGX_OK) {
        return ngx_http_warehouse_producer_send(producers->current, message,
                                                waiter, fate);
    }

    ngx_http_warehouse_outage_more(&producers->outage, "there is no producer");

    *fate = producers->denied ? NGX_HTTP_WAREHOUSE_DENIED
                              : NGX_HTTP_WAREHOUSE_NOT_PERSISTED;
    return NGX_ERROR;
}


void
ngx_http_warehouse_producers_exit(ngx_http_warehouse_producers_t *producers)
{
    ngx_msec_t                      until;
    ngx_queue_t                    *q;
    ngx_http_warehouse_producer_t  *p;

    /* by the process's end and then by the configuration's */

    if (producers->exited) {
        return;
    }

    producers->exited = 1;

    /* the one in service first: from it reports come, if from any */

    if (producers->current != NULL) {
        ngx_queue_insert_head(&producers->retired, &producers->current->link);
        producers->current = NULL;
    }

    ngx_time_update();
    until = ngx_current_msec + NGX_HTTP_WAREHOUSE_DRAIN;

    while (!ngx_queue_empty(&producers->retired)) {

        q = ngx_queue_head(&producers->retired);
        ngx_queue_remove(q);

        p = ngx_queue_data(q, ngx_http_warehouse_producer_t, link);
        ngx_http_warehouse_producer_stop(p, until);
    }

    ngx_http_warehouse_reap_wait(NGX_HTTP_WAREHOUSE_REAP);
}
