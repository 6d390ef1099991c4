/*
 * Directives and the module's life.  Longer than usual, because nginx's modules
 * have all of these in one file.
 */

#include "ngx_http_warehouse_commands.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_crowd.h"
#include "ngx_http_warehouse_items.h"
#include "ngx_http_warehouse_metrics.h"
#include "ngx_http_warehouse_notifications.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_variables.h"
#include "ngx_http_warehouse_zone.h"


#define NGX_HTTP_WAREHOUSE_BUFFER  (1024 * 1024)
#define NGX_HTTP_WAREHOUSE_LIMIT   (256 * 1024 * 1024)
#define NGX_HTTP_WAREHOUSE_FLIGHT  20000
#define NGX_HTTP_WAREHOUSE_WAITING 20000
#define NGX_HTTP_WAREHOUSE_WAIT    10000     /* ms */
#define NGX_HTTP_WAREHOUSE_BATCH   1000      /* commands */
#define NGX_HTTP_WAREHOUSE_MIB     1048576
#define NGX_HTTP_WAREHOUSE_SUBSCRIBERS 10000
#define NGX_HTTP_WAREHOUSE_STREAM  262144    /* bytes */
#define NGX_HTTP_WAREHOUSE_STREAM_MIN  16384
#define NGX_HTTP_WAREHOUSE_BEAT    15000     /* ms */


static ngx_int_t ngx_http_warehouse_init_process(ngx_cycle_t *cycle);
static void ngx_http_warehouse_exit_process(ngx_cycle_t *cycle);

static void *ngx_http_warehouse_create_main_conf(ngx_conf_t *cf);
static void ngx_http_warehouse_cleanup(void *data);
static char *ngx_http_warehouse_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_warehouse_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_warehouse_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_uint_t ngx_http_warehouse_has_prefix(
    const ngx_http_core_loc_conf_t *clcf);
static char *ngx_http_warehouse_complete(ngx_conf_t *cf,
    ngx_http_warehouse_loc_conf_t *conf, ngx_str_t *name);
static char *ngx_http_warehouse_kafka(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_warehouse_database(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_warehouse_commands(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_warehouse_items(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_warehouse_notifications(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_warehouse_metrics(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_warehouse_health(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_warehouse_problem_page(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_http_warehouse_db_t *ngx_http_warehouse_add_db(ngx_conf_t *cf,
    ngx_str_t *path);
static char *ngx_http_warehouse_serve(ngx_conf_t *cf,
    ngx_http_warehouse_loc_conf_t *wlcf, ngx_http_handler_pt handler);


static ngx_conf_num_bounds_t  ngx_http_warehouse_positive = {
    ngx_conf_check_num_bounds, 1, NGX_MAX_INT32_VALUE
};


static ngx_command_t  ngx_http_warehouse_directives[] = {

    { ngx_string("warehouse_kafka"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      ngx_http_warehouse_kafka,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_database"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_warehouse_database,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_commands"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_warehouse_commands,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_items"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_warehouse_items,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_items_buffer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_warehouse_loc_conf_t, buffer),
      NULL },

    { ngx_string("warehouse_items_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_off_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_warehouse_loc_conf_t, limit),
      NULL },

    { ngx_string("warehouse_wait"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_warehouse_loc_conf_t, wait),
      NULL },

    { ngx_string("warehouse_command_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_warehouse_loc_conf_t, command_size),
      NULL },

    { ngx_string("warehouse_batch_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_warehouse_loc_conf_t, batch_size),
      NULL },

    { ngx_string("warehouse_batch_commands"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_warehouse_loc_conf_t, batch_commands),
      &ngx_http_warehouse_positive },

    { ngx_string("warehouse_notifications"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_warehouse_notifications,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_notifications_buffer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_warehouse_loc_conf_t, stream_buffer),
      NULL },

    { ngx_string("warehouse_notifications_heartbeat"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_warehouse_loc_conf_t, heartbeat),
      NULL },

    { ngx_string("warehouse_max_subscribers"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_warehouse_main_conf_t, max_subscribers),
      &ngx_http_warehouse_positive },

    { ngx_string("warehouse_max_waiting"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_warehouse_main_conf_t, max_waiting),
      &ngx_http_warehouse_positive },

    { ngx_string("warehouse_max_inflight"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_warehouse_main_conf_t, max_inflight),
      &ngx_http_warehouse_positive },

    { ngx_string("warehouse_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_warehouse_metrics,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_health"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_warehouse_health,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_problem"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_warehouse_problem_page,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_warehouse_module_ctx = {
    ngx_http_warehouse_add_variables,      /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_warehouse_create_main_conf,   /* create main configuration */
    ngx_http_warehouse_init_main_conf,     /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_warehouse_create_loc_conf,    /* create location configuration */
    ngx_http_warehouse_merge_loc_conf      /* merge location configuration */
};


ngx_module_t  ngx_http_warehouse_module = {
    NGX_MODULE_V1,
    &ngx_http_warehouse_module_ctx,        /* module context */
    ngx_http_warehouse_directives,         /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_warehouse_init_process,       /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_warehouse_exit_process,       /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/*
 * Never fails: a worker whose init_process() fails is not started again.
 * What is missing is created when a request needs it.
 */

static ngx_int_t
ngx_http_warehouse_init_process(ngx_cycle_t *cycle)
{
    ngx_http_warehouse_main_conf_t  *wmcf;

    /* librdkafka's threads do not survive a fork: only where requests are */

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    wmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_warehouse_module);

    if (wmcf == NULL) {
        return NGX_OK;
    }

    ngx_http_warehouse_zone_join(wmcf->zone);

    if (wmcf->kafka.topics.nelts) {
        (void) ngx_http_warehouse_producers_ready(&wmcf->producers);
    }

    return NGX_OK;
}


static void
ngx_http_warehouse_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_warehouse_module);

    if (wmcf != NULL) {
        ngx_http_warehouse_producers_exit(&wmcf->producers);
    }

    ngx_http_warehouse_crowd_leave();
    ngx_http_warehouse_zone_leave();
}


static void *
ngx_http_warehouse_create_main_conf(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t              *cln;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_warehouse_main_conf_t));
    if (wmcf == NULL) {
        return NULL;
    }

    if (ngx_http_warehouse_kafka_init(cf, &wmcf->kafka) != NGX_OK
        || ngx_array_init(&wmcf->databases, cf->pool, 1,
                          sizeof(ngx_http_warehouse_db_t *))
           != NGX_OK)
    {
        return NULL;
    }

    ngx_http_warehouse_producers_init(&wmcf->producers, &wmcf->kafka);

    wmcf->max_inflight = NGX_CONF_UNSET_UINT;
    wmcf->max_waiting = NGX_CONF_UNSET_UINT;
    wmcf->max_subscribers = NGX_CONF_UNSET_UINT;

    /* also where nothing is served: a reload must not take it away */

    wmcf->zone = ngx_http_warehouse_zone_add(cf);
    if (wmcf->zone == NULL) {
        return NULL;
    }

    /* with master_process off a configuration may go without exit_process() */

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_warehouse_cleanup;
    cln->data = wmcf;

    return wmcf;
}


static void
ngx_http_warehouse_cleanup(void *data)
{
    ngx_http_warehouse_main_conf_t *wmcf = data;

    ngx_http_warehouse_producers_exit(&wmcf->producers);
}


static char *
ngx_http_warehouse_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_warehouse_main_conf_t *wmcf = conf;

    ngx_conf_init_uint_value(wmcf->max_inflight, NGX_HTTP_WAREHOUSE_FLIGHT);
    ngx_conf_init_uint_value(wmcf->max_waiting, NGX_HTTP_WAREHOUSE_WAITING);
    ngx_conf_init_uint_value(wmcf->max_subscribers,
                             NGX_HTTP_WAREHOUSE_SUBSCRIBERS);

    return (ngx_http_warehouse_kafka_check(cf, &wmcf->kafka) == NGX_OK)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static void *
ngx_http_warehouse_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_warehouse_loc_conf_t  *wlcf;

    wlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_warehouse_loc_conf_t));
    if (wlcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     wlcf->handler = NULL;
     *     wlcf->db = NULL;
     *     wlcf->health = NULL;
     */

    wlcf->topic = NGX_CONF_UNSET;
    wlcf->database = NGX_CONF_UNSET_PTR;
    wlcf->buffer = NGX_CONF_UNSET_SIZE;
    wlcf->limit = NGX_CONF_UNSET;
    wlcf->wait = NGX_CONF_UNSET_MSEC;
    wlcf->command_size = NGX_CONF_UNSET_SIZE;
    wlcf->batch_size = NGX_CONF_UNSET_SIZE;
    wlcf->batch_commands = NGX_CONF_UNSET_UINT;
    wlcf->stream_buffer = NGX_CONF_UNSET_SIZE;
    wlcf->heartbeat = NGX_CONF_UNSET_MSEC;

    return wlcf;
}


static char *
ngx_http_warehouse_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_warehouse_loc_conf_t *prev = parent;
    ngx_http_warehouse_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->database, prev->database, NULL);
    ngx_conf_merge_size_value(conf->buffer, prev->buffer,
                              NGX_HTTP_WAREHOUSE_BUFFER);
    ngx_conf_merge_off_value(conf->limit, prev->limit,
                             NGX_HTTP_WAREHOUSE_LIMIT);
    ngx_conf_merge_msec_value(conf->wait, prev->wait, NGX_HTTP_WAREHOUSE_WAIT);
    ngx_conf_merge_size_value(conf->command_size, prev->command_size,
                              NGX_MAX_SIZE_T_VALUE);
    ngx_conf_merge_size_value(conf->batch_size, prev->batch_size,
                              NGX_HTTP_WAREHOUSE_MIB);
    ngx_conf_merge_uint_value(conf->batch_commands, prev->batch_commands,
                              NGX_HTTP_WAREHOUSE_BATCH);
    ngx_conf_merge_size_value(conf->stream_buffer, prev->stream_buffer,
                              NGX_HTTP_WAREHOUSE_STREAM);
    /* one event has to fit, whatever it is like */
    conf->stream_buffer = ngx_max(conf->stream_buffer,
                                  NGX_HTTP_WAREHOUSE_STREAM_MIN);
    ngx_conf_merge_msec_value(conf->heartbeat, prev->heartbeat,
                              NGX_HTTP_WAREHOUSE_BEAT);

    /* "if" and "limit_except" serve what the location around them serves */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    conf->prefix = clcf->noname ? prev->prefix
                                : ngx_http_warehouse_has_prefix(clcf);

    if (clcf->noname && clcf->handler == NULL) {
        conf->handler = prev->handler;
        conf->topic = prev->topic;
        conf->db = prev->db;
        conf->health = prev->health;

        if (clcf->lmt_excpt) {
            clcf->handler = conf->handler;
        }
    }

    if (conf->db == NULL && conf->handler != NULL) {
        conf->db = conf->database;
    }

    return ngx_http_warehouse_complete(cf, conf, &clcf->name);
}


/* An address may go on behind its name. */

static ngx_uint_t
ngx_http_warehouse_has_prefix(const ngx_http_core_loc_conf_t *clcf)
{
#if (NGX_PCRE)
    if (clcf->regex != NULL) {
        return 0;
    }
#endif

    return !clcf->exact_match && !clcf->named;
}


/* Whether what a location serves has what it needs. */

static char *
ngx_http_warehouse_complete(ngx_conf_t *cf,
    ngx_http_warehouse_loc_conf_t *conf, ngx_str_t *name)
{
    ngx_http_warehouse_main_conf_t  *wmcf;

    if (conf->handler == ngx_http_warehouse_notifications_handler
        && conf->db == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"warehouse_notifications\" of location \"%V\" needs "
                      "\"warehouse_database\"", name);
        return NGX_CONF_ERROR;
    }

    if (conf->handler == ngx_http_warehouse_items_handler && conf->db == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"warehouse_items\" of location \"%V\" needs a path "
                      "or \"warehouse_database\"", name);
        return NGX_CONF_ERROR;
    }

    if (conf->handler != ngx_http_warehouse_health_handler) {
        return NGX_CONF_OK;
    }

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_warehouse_module);

    if (conf->db == NULL
        && (conf->health->kind == NGX_HTTP_WAREHOUSE_READS
            || conf->health->max_lag >= 0))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"warehouse_health\" of location \"%V\" needs "
                      "\"warehouse_database\"", name);
        return NGX_CONF_ERROR;
    }

    if (conf->health->kind == NGX_HTTP_WAREHOUSE_WRITES
        && wmcf->kafka.topics.nelts == 0)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"warehouse_health writes\" of location \"%V\" needs "
                      "a \"warehouse_commands\" somewhere", name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_warehouse_kafka(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_warehouse_main_conf_t *wmcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    return ngx_http_warehouse_kafka_property(cf, &wmcf->kafka, &value[1],
                                             &value[2]);
}


static char *
ngx_http_warehouse_database(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_warehouse_loc_conf_t *wlcf = conf;

    ngx_str_t  *value;

    if (wlcf->database != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "has no value";
    }

    wlcf->database = ngx_http_warehouse_add_db(cf, &value[1]);

    return (wlcf->database != NULL) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_http_warehouse_commands(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_warehouse_loc_conf_t *wlcf = conf;

    ngx_str_t                       *value, name;
    ngx_http_warehouse_main_conf_t  *wmcf;

    if (wlcf->topic != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    ngx_str_set(&name, "commands");

    if (cf->args->nelts == 2) {
        value = cf->args->elts;
        name = value[1];
    }

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_warehouse_module);

    wlcf->topic = ngx_http_warehouse_kafka_topic(cf, &wmcf->kafka, &name);

    if (wlcf->topic == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_warehouse_serve(cf, wlcf,
                                    ngx_http_warehouse_commands_handler);
}


static char *
ngx_http_warehouse_items(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_warehouse_loc_conf_t *wlcf = conf;

    ngx_str_t  *value;

    if (wlcf->handler == ngx_http_warehouse_items_handler) {
        return "is duplicate";
    }

    if (cf->args->nelts == 2) {
        value = cf->args->elts;

        if (value[1].len == 0) {
            return "has no value";
        }

        wlcf->db = ngx_http_warehouse_add_db(cf, &value[1]);

        if (wlcf->db == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_http_warehouse_serve(cf, wlcf,
                                    ngx_http_warehouse_items_handler);
}


static char *
ngx_http_warehouse_notifications(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    return ngx_http_warehouse_serve(cf, conf,
                                    ngx_http_warehouse_notifications_handler);
}


static char *
ngx_http_warehouse_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_warehouse_serve(cf, conf,
                                    ngx_http_warehouse_metrics_handler);
}


static char *
ngx_http_warehouse_health(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_warehouse_loc_conf_t *wlcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    static const char  *kinds[] = {
        [NGX_HTTP_WAREHOUSE_LIVE] = "live",
        [NGX_HTTP_WAREHOUSE_READS] = "reads",
        [NGX_HTTP_WAREHOUSE_WRITES] = "writes"
    };

    if (wlcf->health != NULL) {
        return "is duplicate";
    }

    wlcf->health = ngx_pcalloc(cf->pool, sizeof(ngx_http_warehouse_health_t));
    if (wlcf->health == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;
    wlcf->health->max_lag = -1;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (ngx_strcmp(value[1].data, kinds[i]) == 0) {
            break;
        }
    }

    if (i == sizeof(kinds) / sizeof(kinds[0])) {
        return "is of \"live\", \"reads\" or \"writes\"";
    }

    wlcf->health->kind = i;

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "max_lag=", 8) != 0) {
            return "has an invalid parameter, it may be \"max_lag=\"";
        }

        wlcf->health->max_lag = ngx_atoi(value[2].data + 8, value[2].len - 8);

        if (wlcf->health->max_lag == NGX_ERROR) {
            return "has an invalid \"max_lag\"";
        }
    }

    return ngx_http_warehouse_serve(cf, wlcf,
                                    ngx_http_warehouse_health_handler);
}


static char *
ngx_http_warehouse_problem_page(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_warehouse_serve(cf, conf,
                                    ngx_http_warehouse_problem_handler);
}


/* One for each path.  NULL: out of memory. */

static ngx_http_warehouse_db_t *
ngx_http_warehouse_add_db(ngx_conf_t *cf, ngx_str_t *path)
{
    ngx_str_t                       *known;
    ngx_uint_t                       i;
    ngx_http_warehouse_db_t        **db;
    ngx_http_warehouse_main_conf_t  *wmcf;

    if (ngx_conf_full_name(cf->cycle, path, 0) != NGX_OK) {
        return NULL;
    }

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_warehouse_module);
    db = wmcf->databases.elts;

    for (i = 0; i < wmcf->databases.nelts; i++) {
        known = ngx_http_warehouse_db_path(db[i]);

        if (known->len == path->len
            && ngx_strncmp(known->data, path->data, path->len) == 0)
        {
            return db[i];
        }
    }

    db = ngx_array_push(&wmcf->databases);
    if (db == NULL) {
        return NULL;
    }

    *db = ngx_http_warehouse_db_create(cf, path);

    return *db;
}


static char *
ngx_http_warehouse_serve(ngx_conf_t *cf, ngx_http_warehouse_loc_conf_t *wlcf,
    ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL) {
        return clcf->handler == handler
               ? "is duplicate"
               : "conflicts with another handler of this location";
    }

    clcf->handler = handler;
    wlcf->handler = handler;

    return NGX_CONF_OK;
}
