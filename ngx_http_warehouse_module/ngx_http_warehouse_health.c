#include "ngx_http_warehouse_health.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_reach.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_report.h"
#include "ngx_http_warehouse_request.h"


#define NGX_HTTP_WAREHOUSE_HEALTH   1024     /* bytes of the answer */
#define NGX_HTTP_WAREHOUSE_STALLED  10       /* s without progress */


/* What the daemon's metrics tell. */

typedef struct {
    ngx_uint_t   known;          /* it writes them */
    ngx_uint_t   processing;
    int64_t      lag;            /* commands; -1: not known */
    double       progress;       /* s since 1970 */
} ngx_http_warehouse_daemon_t;


static ngx_int_t ngx_http_warehouse_health_database(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, wh_text_t *t);
static ngx_uint_t ngx_http_warehouse_health_kafka(ngx_http_request_t *r,
    ngx_http_warehouse_health_t *health, wh_text_t *t);
static ngx_int_t ngx_http_warehouse_health_daemon(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, wh_text_t *t);
static void ngx_http_warehouse_health_parse(
    ngx_http_warehouse_daemon_t *daemon,
    const ngx_http_warehouse_report_file_t *report);
static const char *ngx_http_warehouse_health_trouble(
    const ngx_http_warehouse_daemon_t *daemon);
static void ngx_http_warehouse_health_part(wh_text_t *t, const char *name,
    ngx_http_warehouse_part_t *part, ngx_uint_t good, const char *why);
static ngx_int_t ngx_http_warehouse_health_send(ngx_http_request_t *r,
    ngx_uint_t good, const wh_text_t *parts);


ngx_int_t
ngx_http_warehouse_health_handler(ngx_http_request_t *r)
{
    ngx_int_t                       good, rc;
    wh_text_t                       parts;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    char  buf[NGX_HTTP_WAREHOUSE_HEALTH];

    if (!ngx_http_warehouse_enter_get(r, NGX_HTTP_WAREHOUSE_SERVE_HEALTH,
                                      &rc))
    {
        return rc;
    }

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);
    wh_text_init(&parts, buf, sizeof(buf));

    good = 1;

    if (wlcf->health->kind == NGX_HTTP_WAREHOUSE_READS) {
        good = ngx_http_warehouse_health_database(r, wlcf, &parts);
    }

    if (wlcf->health->kind == NGX_HTTP_WAREHOUSE_WRITES) {
        good = ngx_http_warehouse_health_kafka(r, wlcf->health, &parts);
    }

    if (wlcf->db != NULL) {

        rc = ngx_http_warehouse_health_daemon(r, wlcf, &parts);

        if (rc == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        good = good && rc == NGX_OK;
    }

    return ngx_http_warehouse_health_send(r, (ngx_uint_t) good, &parts);
}


/* True if items can be read, and are not being recovered. */

static ngx_int_t
ngx_http_warehouse_health_database(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, wh_text_t *t)
{
    ngx_int_t                      rc;
    ngx_http_warehouse_reader_t   *reader;
    ngx_http_warehouse_refusal_t   refusal;

    rc = ngx_http_warehouse_db_begin(wlcf->db, &reader, &refusal);

    if (rc == NGX_OK) {
        rc = ngx_http_warehouse_db_end(wlcf->db, NGX_OK, &refusal);
    }

    ngx_http_warehouse_health_part(t, "database", &wlcf->health->database,
                                   rc == NGX_OK, refusal.detail);
    return rc == NGX_OK;
}


/* A request for health is one that needs a producer, if there is none. */

static ngx_uint_t
ngx_http_warehouse_health_kafka(ngx_http_request_t *r,
    ngx_http_warehouse_health_t *health, wh_text_t *t)
{
    ngx_uint_t                       good;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);

    good = ngx_http_warehouse_producers_ready(&wmcf->producers) == NGX_OK
           && (ngx_http_warehouse_reached(ngx_http_warehouse_slot)
               || ngx_http_warehouse_reach_young());

    ngx_http_warehouse_health_part(t, "kafka", &health->kafka, good,
                                   "no broker has answered lately");
    return good;
}


/*
 * Tells of the daemon: it is not what nginx's answers depend on, unless a limit
 * of the lag is set.  NGX_OK; NGX_DECLINED: the lag is past it, or not known;
 * NGX_ERROR: out of memory.
 */

static ngx_int_t
ngx_http_warehouse_health_daemon(ngx_http_request_t *r,
    ngx_http_warehouse_loc_conf_t *wlcf, wh_text_t *t)
{
    ngx_int_t                          rc;
    ngx_uint_t                         good;
    const char                        *trouble;
    ngx_http_warehouse_daemon_t        daemon;
    ngx_http_warehouse_health_t       *health;
    ngx_http_warehouse_report_file_t   report;

    ngx_memzero(&daemon, sizeof(ngx_http_warehouse_daemon_t));
    daemon.lag = -1;

    health = wlcf->health;

    rc = ngx_http_warehouse_report_read(r->pool,
                                   ngx_http_warehouse_db_path(wlcf->db),
                                   &report);
    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK && report.age <= NGX_HTTP_WAREHOUSE_STALE) {
        ngx_http_warehouse_health_parse(&daemon, &report);
    }

    trouble = ngx_http_warehouse_health_trouble(&daemon);

    ngx_http_warehouse_health_part(t, "daemon", &health->daemon,
                                   trouble == NULL, trouble);

    if (daemon.lag >= 0) {
        wh_text_put(t, ",\"lag\":");
        wh_text_int(t, daemon.lag);
    }

    if (health->max_lag < 0) {
        return NGX_OK;
    }

    good = (daemon.lag >= 0 && daemon.lag <= health->max_lag);

    ngx_http_warehouse_health_part(t, "max_lag", &health->lag, good,
                                   daemon.lag < 0
                                   ? "the lag is not known"
                                   : "too many commands wait");

    return good ? NGX_OK : NGX_DECLINED;
}


static void
ngx_http_warehouse_health_parse(ngx_http_warehouse_daemon_t *daemon,
    const ngx_http_warehouse_report_file_t *report)
{
    const char   *p, *end;
    wh_sample_t   sample;

    static const char  processing[] = "state=\"processing\"";

    daemon->known = 1;

    p = (char *) report->text.data;
    end = p + report->text.len;

    while (wh_metric_next(&p, end, &sample)) {

        if (wh_sample_is(&sample, "warehouse_consumer_lag_commands")
            && sample.value >= 0 && sample.value < 1e15)
        {
            daemon->lag = ngx_max(daemon->lag, 0) + (int64_t) sample.value;

        } else if (wh_sample_is(&sample, "warehouse_consumer_last_progress"
                                         "_timestamp_seconds"))
        {
            daemon->progress = sample.value;

        } else if (wh_sample_is(&sample, "warehouse_consumer_state")
                   && sample.labels_len == sizeof(processing) - 1
                   && ngx_strncmp(sample.labels, processing,
                                  sizeof(processing) - 1) == 0)
        {
            daemon->processing = (sample.value == 1);
        }
    }
}


/* What keeps it from making progress; NULL: nothing. */

static const char *
ngx_http_warehouse_health_trouble(const ngx_http_warehouse_daemon_t *daemon)
{
    if (!daemon->known) {
        return "it does not run, or cannot write its metrics";
    }

    if (!daemon->processing) {
        return "it is starting, recovering or waiting for brokers";
    }

    if (daemon->lag != 0
        && (double) ngx_time() - daemon->progress > NGX_HTTP_WAREHOUSE_STALLED)
    {
        return daemon->lag > 0 ? "commands wait, and none is processed"
                               : "it stands still";
    }

    return NULL;
}


/* One part, since when it is so, and why it is not well. */

static void
ngx_http_warehouse_health_part(wh_text_t *t, const char *name,
    ngx_http_warehouse_part_t *part, ngx_uint_t good, const char *why)
{
    char      since[sizeof("1970-01-01T00:00:00Z")];
    ngx_tm_t  tm;

    if (part->since == 0 || part->good != good) {
        part->good = good;
        part->since = ngx_time();
    }

    ngx_gmtime(part->since, &tm);

    (void) ngx_snprintf((u_char *) since, sizeof(since),
                        "%04d-%02d-%02dT%02d:%02d:%02dZ%Z", tm.ngx_tm_year,
                        tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                        tm.ngx_tm_min, tm.ngx_tm_sec);

    wh_text_put(t, ",\"");
    wh_text_put(t, name);
    wh_text_put(t, "\":{\"status\":\"");
    wh_text_put(t, good ? "ok" : "failing");
    wh_text_put(t, "\",\"since\":\"");
    wh_text_put(t, since);

    if (!good) {
        wh_text_put(t, "\",\"reason\":\"");
        wh_text_put(t, why);
    }

    wh_text_put(t, "\"}");
}


static ngx_int_t
ngx_http_warehouse_health_send(ngx_http_request_t *r, ngx_uint_t good,
    const wh_text_t *parts)
{
    u_char     *p;
    ngx_str_t   body, no_store;

    static ngx_str_t  type = ngx_string("application/json");

    p = ngx_pnalloc(r->pool, sizeof("{\"status\":\"unavailable\"}")
                             + wh_text_len(parts));
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.data = p;
    p = ngx_sprintf(p, "{\"status\":\"%s\"", good ? "ok" : "unavailable");
    p = ngx_cpymem(p, parts->start, wh_text_len(parts));
    *p++ = '}';
    body.len = p - body.data;

    ngx_str_set(&no_store, "no-store");

    if (ngx_http_warehouse_add_header(r, "Cache-Control", &no_store) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_warehouse_reply(r, good ? NGX_HTTP_OK
                                            : NGX_HTTP_SERVICE_UNAVAILABLE,
                                    &type, &body);
}
