#include "ngx_http_warehouse_metrics.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_reach.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_report.h"
#include "ngx_http_warehouse_request.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_METRICS  32768    /* bytes of the workers' own */
#define NGX_HTTP_WAREHOUSE_LABELS   64


/* The gauges of all workers that there are. */

typedef struct {
    ngx_uint_t    workers;
    ngx_uint_t    connected;
    ngx_uint_t    waiting;
    ngx_uint_t    following;
    ngx_uint_t    subscribers;
    ngx_uint_t    queue;
    ngx_uint_t    bytes;
} ngx_http_warehouse_gauges_t;


static ngx_int_t ngx_http_warehouse_metrics_read(ngx_http_request_t *r,
    ngx_http_warehouse_report_file_t *report);
static void ngx_http_warehouse_metrics_requests(wh_text_t *t);
static void ngx_http_warehouse_metrics_kafka(wh_text_t *t);
static void ngx_http_warehouse_metrics_lists(wh_text_t *t);
static void ngx_http_warehouse_metrics_gauges(wh_text_t *t);
static void ngx_http_warehouse_metrics_sum(ngx_http_warehouse_gauges_t *g);
static void ngx_http_warehouse_metrics_one(wh_text_t *t, const char *name,
    wh_metric_type_t type, const char *help, int64_t value);
static void ngx_http_warehouse_metrics_daemon(wh_text_t *t,
    const ngx_http_warehouse_report_file_t *report);


ngx_int_t
ngx_http_warehouse_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_str_t                         body;
    wh_text_t                         text;
    ngx_http_warehouse_report_file_t  report;

    static ngx_str_t  type =
                          ngx_string("text/plain; version=0.0.4; charset=utf-8");

    if (!ngx_http_warehouse_enter_get(r, NGX_HTTP_WAREHOUSE_SERVE_METRICS,
                                      &rc))
    {
        return rc;
    }

    rc = ngx_http_warehouse_metrics_read(r, &report);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = NGX_HTTP_WAREHOUSE_METRICS
               + (rc == NGX_OK ? report.text.len : 0);

    body.data = ngx_pnalloc(r->pool, body.len);
    if (body.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    wh_text_init(&text, (char *) body.data, body.len);

    ngx_http_warehouse_metrics_requests(&text);
    ngx_http_warehouse_metrics_kafka(&text);
    ngx_http_warehouse_metrics_lists(&text);
    ngx_http_warehouse_metrics_gauges(&text);

    if (rc == NGX_OK) {
        ngx_http_warehouse_metrics_daemon(&text, &report);
    }

    if (text.full) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "warehouse: the metrics take more than %uz bytes",
                      body.len);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    body.len = wh_text_len(&text);

    return ngx_http_warehouse_reply(r, NGX_HTTP_OK, &type, &body);
}


/* NGX_DECLINED: there is nothing of the daemon. */

static ngx_int_t
ngx_http_warehouse_metrics_read(ngx_http_request_t *r,
    ngx_http_warehouse_report_file_t *report)
{
    ngx_http_warehouse_loc_conf_t  *wlcf;

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    return (wlcf->db != NULL)
           ? ngx_http_warehouse_report_read(r->pool,
                                   ngx_http_warehouse_db_path(wlcf->db),
                                   report)
           : NGX_DECLINED;
}


/* By what the location serves, those with another status than 200 if any. */

static void
ngx_http_warehouse_metrics_requests(wh_text_t *t)
{
    char        labels[NGX_HTTP_WAREHOUSE_LABELS];
    uint64_t    counts[WH_BUCKETS_MAX];
    ngx_uint_t  i, k, code;

    static const char  *requests = "warehouse_nginx_requests_total";
    static const char  *latency = "warehouse_nginx_acknowledgement_seconds";
    static const char  *names[NGX_HTTP_WAREHOUSE_SERVES] = {
        "commands", "items", "notifications", "metrics", "health", "problem"
    };

    wh_metric_family(t, requests, WH_COUNTER, "Requests, by what their "
                     "location serves and their status.");

    for (i = 0; i < NGX_HTTP_WAREHOUSE_SERVES; i++) {
        for (k = 0; k < NGX_HTTP_WAREHOUSE_CODES; k++) {

            code = ngx_http_warehouse_code(k);

            if (ngx_http_warehouse_zone->requests[i][k] == 0
                && code != NGX_HTTP_OK)
            {
                continue;
            }

            if (code != 0) {
                (void) snprintf(labels, sizeof(labels),
                                "location=\"%s\",code=\"%u\"", names[i],
                                (unsigned) code);
            } else {
                (void) snprintf(labels, sizeof(labels),
                                "location=\"%s\",code=\"other\"", names[i]);
            }

            wh_metric_int(t, requests, labels,
                     (int64_t) ngx_http_warehouse_zone->requests[i][k]);
        }
    }

    for (i = 0; i <= wh_buckets_latency.n; i++) {
        counts[i] = ngx_http_warehouse_zone->latency[i];
    }

    wh_metric_family(t, latency, WH_HISTOGRAM, "From handing a command to the "
                     "producer to the brokers' acknowledgement.");
    wh_metric_histogram(t, latency, &wh_buckets_latency, counts,
                        (int64_t) ngx_http_warehouse_zone->latency_us);
}


static void
ngx_http_warehouse_metrics_kafka(wh_text_t *t)
{
    ngx_http_warehouse_zone_t  *z;

    static const char  *messages = "warehouse_nginx_messages_total";

    z = ngx_http_warehouse_zone;

    wh_metric_family(t, messages, WH_COUNTER, "Commands handed to the "
                     "producer, by what became of them.");
    wh_metric_int(t, messages, "result=\"written\"",
                  (int64_t) z->messages[NGX_HTTP_WAREHOUSE_WRITTEN]);
    wh_metric_int(t, messages, "result=\"not_written\"",
                  (int64_t) z->messages[NGX_HTTP_WAREHOUSE_NOT_WRITTEN]);
    wh_metric_int(t, messages, "result=\"unknown\"",
                  (int64_t) z->messages[NGX_HTTP_WAREHOUSE_MAYBE_WRITTEN]);

    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_overload_total",
                                   WH_COUNTER, "Commands refused because too "
                                   "many waited.", (int64_t) z->overload);
    ngx_http_warehouse_metrics_one(t,
                                   "warehouse_nginx_following_refused_total",
                                   WH_COUNTER, "Requests refused because too "
                                   "many waited for the daemon.",
                                   (int64_t) z->unfollowed);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_polls_total",
                                   WH_COUNTER, "Looks at the database for all "
                                   "that wait for the daemon.",
                                   (int64_t) z->polls);
    ngx_http_warehouse_metrics_one(t,
                                   "warehouse_nginx_subscribers_refused_total",
                                   WH_COUNTER, "Clients refused because too "
                                   "many follow the notifications.",
                                   (int64_t) z->unsubscribed);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_subscribers_cut_total",
                                   WH_COUNTER, "Clients that read the "
                                   "notifications too slowly.",
                                   (int64_t) z->cut);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_events_total",
                                   WH_COUNTER, "Notifications given to "
                                   "clients that follow them.",
                                   (int64_t) z->events);
    ngx_http_warehouse_metrics_one(t,
                                   "warehouse_nginx_subscribers_reset_total",
                                   WH_COUNTER, "Clients told that "
                                   "notifications are missing.",
                                   (int64_t) z->resets);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_batches_total",
                                   WH_COUNTER, "Batches of commands handed to "
                                   "the producer.", (int64_t) z->batches);
    ngx_http_warehouse_metrics_one(t,
                                   "warehouse_nginx_producers_created_total",
                                   WH_COUNTER, "Kafka producers created.",
                                   (int64_t) z->producers);
    ngx_http_warehouse_metrics_one(t,
                                   "warehouse_nginx_producers_retired_total",
                                   WH_COUNTER, "Kafka producers replaced: a "
                                   "fatal error, no answer in time.",
                                   (int64_t) z->retired);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_kafka_errors_total",
                                   WH_COUNTER, "Errors that the producers "
                                   "have told of.", (int64_t) z->errors);
}


static void
ngx_http_warehouse_metrics_lists(wh_text_t *t)
{
    ngx_uint_t                  i, k;
    ngx_http_warehouse_zone_t  *z;

    static const char  *metrics[] = {
        "warehouse_nginx_lists_built_total",
        "warehouse_nginx_lists_failed_total"
    };

    static const char  *helps[] = {
        "Lists of all items read from the database, by format.",
        "Lists that could not be read to their end, by format."
    };

    static const char  *formats[NGX_HTTP_WAREHOUSE_FORMATS] = {
        [NGX_HTTP_WAREHOUSE_JSON] = "format=\"json\"",
        [NGX_HTTP_WAREHOUSE_NDJSON] = "format=\"ndjson\"",
        [NGX_HTTP_WAREHOUSE_CSV] = "format=\"csv\""
    };

    z = ngx_http_warehouse_zone;

    for (k = 0; k < 2; k++) {
        wh_metric_family(t, metrics[k], WH_COUNTER, helps[k]);

        for (i = 0; i < NGX_HTTP_WAREHOUSE_FORMATS; i++) {
            wh_metric_int(t, metrics[k], formats[i],
                          (int64_t) (k == 0 ? z->built[i] : z->failed[i]));
        }
    }
}


static void
ngx_http_warehouse_metrics_gauges(wh_text_t *t)
{
    ngx_http_warehouse_gauges_t  g;

    ngx_http_warehouse_metrics_sum(&g);

    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_workers", WH_GAUGE,
                                   "Worker processes.", (int64_t) g.workers);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_workers_connected",
                                   WH_GAUGE, "Workers that a broker has "
                                   "answered within the last seconds.",
                                   (int64_t) g.connected);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_requests_waiting",
                                   WH_GAUGE, "Requests that wait for an "
                                   "acknowledgement.", (int64_t) g.waiting);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_requests_following",
                                   WH_GAUGE, "Requests that wait for the "
                                   "daemon.", (int64_t) g.following);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_subscribers",
                                   WH_GAUGE, "Clients that follow the "
                                   "notifications.", (int64_t) g.subscribers);
    ngx_http_warehouse_metrics_one(t,
                                   "warehouse_nginx_producer_queue_messages",
                                   WH_GAUGE, "Messages in the workers' "
                                   "producers.", (int64_t) g.queue);
    ngx_http_warehouse_metrics_one(t, "warehouse_nginx_list_bytes", WH_GAUGE,
                                   "What lists take, in memory and files.",
                                   (int64_t) g.bytes);
}


static void
ngx_http_warehouse_metrics_sum(ngx_http_warehouse_gauges_t *g)
{
    ngx_uint_t                  i;
    ngx_http_warehouse_slot_t  *slot;

    ngx_memzero(g, sizeof(ngx_http_warehouse_gauges_t));

    for (i = 0; i < NGX_HTTP_WAREHOUSE_WORKERS; i++) {
        slot = &ngx_http_warehouse_zone->slots[i];

        if (!ngx_http_warehouse_slot_alive(slot)) {
            continue;
        }

        g->workers++;
        g->connected += ngx_http_warehouse_reached(slot);
        g->waiting += slot->waiting;
        g->following += slot->following;
        g->subscribers += slot->subscribers;
        g->queue += slot->queue;
        g->bytes += slot->bytes;
    }
}


static void
ngx_http_warehouse_metrics_one(wh_text_t *t, const char *name,
    wh_metric_type_t type, const char *help, int64_t value)
{
    wh_metric_family(t, name, type, help);
    wh_metric_int(t, name, NULL, value);
}


/* Of a daemon that does not write any more the counters still hold. */

static void
ngx_http_warehouse_metrics_daemon(wh_text_t *t,
    const ngx_http_warehouse_report_file_t *report)
{
    ngx_http_warehouse_metrics_one(t,
                               "warehouse_nginx_consumer_metrics_age_seconds",
                               WH_GAUGE, "How old the daemon's metrics are.",
                               (int64_t) report->age);

    wh_metric_copy(t, (char *) report->text.data, report->text.len,
                   report->age <= NGX_HTTP_WAREHOUSE_STALE);
}
