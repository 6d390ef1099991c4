#include "ngx_http_warehouse_outage.h"


#define NGX_HTTP_WAREHOUSE_OUTAGE_PERIOD  10000    /* ms */
#define NGX_HTTP_WAREHOUSE_OUTAGE_LINES   10       /* of changes, in a period */


static void ngx_http_warehouse_outage_say(ngx_http_warehouse_outage_t *outage,
    ngx_int_t kind, const char *why, ngx_uint_t requests);
static ngx_uint_t ngx_http_warehouse_outage_often(ngx_msec_t *since,
    ngx_uint_t *lines);


void
ngx_http_warehouse_outage_request(ngx_http_warehouse_outage_t *outage,
    ngx_int_t kind, const char *why)
{
    ngx_http_warehouse_outage_say(outage, kind, why, 1);
}


/* What all the requests of an outage meet differs, by how far each has come. */

void
ngx_http_warehouse_outage_more(ngx_http_warehouse_outage_t *outage,
    const char *why)
{
    ngx_http_warehouse_outage_say(outage, outage->kind,
                                  outage->failing ? NULL : why, 1);
}


void
ngx_http_warehouse_outage_begin(ngx_http_warehouse_outage_t *outage,
    ngx_int_t kind, const char *why)
{
    ngx_http_warehouse_outage_say(outage, kind, why, 0);
}


static void
ngx_http_warehouse_outage_say(ngx_http_warehouse_outage_t *outage,
    ngx_int_t kind, const char *why, ngx_uint_t requests)
{
    ngx_uint_t  changed;

    changed = !outage->failing || outage->kind != kind;

    if (!outage->failing) {
        outage->failing = 1;
        outage->failed = 0;
    }

    outage->kind = kind;
    outage->failed += requests;

    if (why != NULL) {
        (void) ngx_cpystrn(outage->why, (u_char *) why, sizeof(outage->why));
    }

    if (changed ? ngx_http_warehouse_outage_often(&outage->since,
                                                  &outage->lines)
                : ngx_current_msec - outage->said
                  < NGX_HTTP_WAREHOUSE_OUTAGE_PERIOD)
    {
        return;
    }

    outage->told = 1;
    outage->said = ngx_current_msec;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "warehouse: %V: %s (failed requests: %ui)", &outage->name,
                  outage->why, outage->failed);
}


void
ngx_http_warehouse_outage_topic(ngx_http_warehouse_outage_t *outage,
    const char *topic, const char *why)
{
    u_char  text[sizeof(outage->why)];

    *ngx_snprintf(text, sizeof(text) - 1, "topic \"%s\": %s", topic, why)
        = '\0';

    ngx_http_warehouse_outage_more(outage, (char *) text);
}


/* Counts a line; true if there were too many, as where it comes and goes. */

static ngx_uint_t
ngx_http_warehouse_outage_often(ngx_msec_t *since, ngx_uint_t *lines)
{
    if (ngx_current_msec - *since >= NGX_HTTP_WAREHOUSE_OUTAGE_PERIOD) {
        *since = ngx_current_msec;
        *lines = 0;
    }

    return ++*lines > NGX_HTTP_WAREHOUSE_OUTAGE_LINES;
}


ngx_uint_t
ngx_http_warehouse_outage_level(ngx_http_warehouse_outage_t *outage,
    ngx_uint_t level, ngx_uint_t reason)
{
    if (!outage->failing || level >= NGX_LOG_INFO) {
        return level;
    }

    return reason && !ngx_http_warehouse_outage_often(&outage->heard,
                                                      &outage->reasons)
           ? level : NGX_LOG_INFO;
}


void
ngx_http_warehouse_outage_end(ngx_http_warehouse_outage_t *outage)
{
    if (outage->failing && outage->told) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "warehouse: %V: works again (failed requests: %ui)",
                      &outage->name, outage->failed);
    }

    outage->failing = 0;
    outage->told = 0;
    outage->kind = 0;
}
