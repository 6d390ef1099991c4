#include "ngx_http_warehouse_outage.h"


#define NGX_HTTP_WAREHOUSE_OUTAGE_PAUSE   1000     /* ms between two lines */
#define NGX_HTTP_WAREHOUSE_OUTAGE_REPEAT  10000    /* ms, while it lasts */


static void ngx_http_warehouse_outage_say(ngx_http_warehouse_outage_t *outage,
    const char *why);


void
ngx_http_warehouse_outage_request(ngx_http_warehouse_outage_t *outage,
    const char *why)
{
    if (!outage->failing) {
        outage->failed = 0;
    }

    outage->failed++;

    ngx_http_warehouse_outage_say(outage, why);
}


void
ngx_http_warehouse_outage_begin(ngx_http_warehouse_outage_t *outage,
    const char *why)
{
    if (!outage->failing) {
        outage->failed = 0;
    }

    ngx_http_warehouse_outage_say(outage, why);
}


/* One that comes and goes all the time is told of once a second. */

static void
ngx_http_warehouse_outage_say(ngx_http_warehouse_outage_t *outage,
    const char *why)
{
    ngx_msec_t  passed;

    outage->failing = 1;

    if (why != NULL) {
        (void) ngx_cpystrn(outage->why, (u_char *) why, sizeof(outage->why));
    }

    passed = ngx_current_msec - outage->said;

    if (outage->ever
        && passed < (outage->told ? NGX_HTTP_WAREHOUSE_OUTAGE_REPEAT
                                  : NGX_HTTP_WAREHOUSE_OUTAGE_PAUSE))
    {
        return;
    }

    outage->told = 1;
    outage->ever = 1;
    outage->said = ngx_current_msec;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "warehouse: %V: %s (failed requests: %ui)", &outage->name,
                  outage->why, outage->failed);
}


void
ngx_http_warehouse_outage_end(ngx_http_warehouse_outage_t *outage)
{
    if (!outage->failing) {
        return;
    }

    if (outage->told) {
        outage->said = ngx_current_msec;

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "warehouse: %V: works again (failed requests: %ui)",
                      &outage->name, outage->failed);
    }

    outage->failing = 0;
    outage->told = 0;
}
