#include "ngx_http_warehouse_module.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_producer.h"
#include "ngx_http_warehouse_db.h"


static char *ngx_http_warehouse_commands(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_warehouse_items(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_warehouse_problem_page(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_warehouse_set_handler(ngx_conf_t *cf,
    ngx_http_handler_pt handler);
static ngx_int_t ngx_http_warehouse_topic_index(ngx_conf_t *cf,
    ngx_str_t *name);

static ngx_int_t ngx_http_warehouse_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_warehouse_position_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void *ngx_http_warehouse_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_warehouse_init_main_conf(ngx_conf_t *cf, void *conf);
static void ngx_http_warehouse_cleanup(void *data);
static void *ngx_http_warehouse_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_warehouse_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_warehouse_init_process(ngx_cycle_t *cycle);
static void ngx_http_warehouse_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_warehouse_directives[] = {

    { ngx_string("warehouse_kafka"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      ngx_http_warehouse_kafka,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_commands"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_warehouse_commands,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("warehouse_items"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
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

    { ngx_string("warehouse_problem"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_warehouse_problem_page,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_warehouse_module_ctx = {
    ngx_http_warehouse_preconfiguration,   /* preconfiguration */
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


static ngx_str_t  ngx_http_warehouse_position =
    ngx_string("warehouse_position");


ngx_http_warehouse_ctx_t *
ngx_http_warehouse_get_ctx(ngx_http_request_t *r)
{
    ngx_http_warehouse_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_warehouse_ctx_t));

        if (ctx != NULL) {
            ctx->request = r;
            ngx_http_set_ctx(r, ctx, ngx_http_warehouse_module);
        }
    }

    return ctx;
}


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

    if (wmcf != NULL && wmcf->topics.nelts) {
        (void) ngx_http_warehouse_producer_ready(wmcf);
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
        ngx_http_warehouse_producer_exit(wmcf);
    }
}


static ngx_int_t
ngx_http_warehouse_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var;

    var = ngx_http_add_variable(cf, &ngx_http_warehouse_position,
                                NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_ERROR;
    }

    var->get_handler = ngx_http_warehouse_position_variable;

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_position_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_warehouse_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_warehouse_module);

    if (ctx == NULL || ctx->position.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = ctx->position.len;
    v->data = ctx->position.data;

    return NGX_OK;
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

    if (ngx_array_init(&wmcf->topics, cf->pool, 1, sizeof(ngx_str_t)) != NGX_OK
        || ngx_array_init(&wmcf->databases, cf->pool, 1,
                          sizeof(ngx_http_warehouse_db_t *))
           != NGX_OK)
    {
        return NULL;
    }

    ngx_queue_init(&wmcf->retired);
    wmcf->retry = ngx_current_msec;
    ngx_str_set(&wmcf->outage.name, "kafka");

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
    ngx_http_warehouse_producer_exit(data);
}


static char *
ngx_http_warehouse_init_main_conf(ngx_conf_t *cf, void *conf)
{
    if (ngx_http_warehouse_kafka_init(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_warehouse_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_warehouse_loc_conf_t  *wlcf;

    wlcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_warehouse_loc_conf_t));
    if (wlcf == NULL) {
        return NULL;
    }

    wlcf->topic = NGX_CONF_UNSET;
    wlcf->buffer = NGX_CONF_UNSET_SIZE;
    wlcf->limit = NGX_CONF_UNSET;

    return wlcf;
}


static char *
ngx_http_warehouse_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_warehouse_loc_conf_t  *prev = parent;
    ngx_http_warehouse_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_size_value(conf->buffer, prev->buffer, 1024 * 1024);
    ngx_conf_merge_off_value(conf->limit, prev->limit, 256 * 1024 * 1024);

    /* "if" and "limit_except" serve what the location around them serves */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && clcf->handler == NULL) {
        conf->topic = prev->topic;
        conf->db = prev->db;

        if (clcf->lmt_excpt && conf->db != NULL) {
            clcf->handler = ngx_http_warehouse_items_handler;

        } else if (clcf->lmt_excpt && conf->topic != NGX_CONF_UNSET) {
            clcf->handler = ngx_http_warehouse_commands_handler;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_warehouse_commands(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_warehouse_loc_conf_t *wlcf = conf;

    ngx_str_t  *value, name;

    if (wlcf->topic != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    ngx_str_set(&name, "commands");

    if (cf->args->nelts == 2) {
        value = cf->args->elts;
        name = value[1];
    }

    /* Kafka's own rule for the names of topics */

    if (name.len == 0 || name.len > 249
        || strspn((char *) name.data, "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
           != name.len
        || ngx_strcmp(name.data, ".") == 0 || ngx_strcmp(name.data, "..") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not the name of a topic", &name);
        return NGX_CONF_ERROR;
    }

    wlcf->topic = ngx_http_warehouse_topic_index(cf, &name);

    if (wlcf->topic == NGX_ERROR) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_warehouse_set_handler(cf,
                                          ngx_http_warehouse_commands_handler);
}


static ngx_int_t
ngx_http_warehouse_topic_index(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_str_t                       *topic;
    ngx_uint_t                       i;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_warehouse_module);
    topic = wmcf->topics.elts;

    for (i = 0; i < wmcf->topics.nelts; i++) {
        if (topic[i].len == name->len
            && ngx_strncmp(topic[i].data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    topic = ngx_array_push(&wmcf->topics);
    if (topic == NULL) {
        return NGX_ERROR;
    }

    *topic = *name;

    return wmcf->topics.nelts - 1;
}


static char *
ngx_http_warehouse_items(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_warehouse_loc_conf_t *wlcf = conf;

    ngx_str_t                       *value, *path;
    ngx_uint_t                       i;
    ngx_http_warehouse_db_t        **db;
    ngx_http_warehouse_main_conf_t  *wmcf;

    if (wlcf->db != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "has no value";
    }

    if (ngx_conf_full_name(cf->cycle, &value[1], 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    wmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_warehouse_module);
    db = wmcf->databases.elts;

    for (i = 0; i < wmcf->databases.nelts; i++) {
        path = ngx_http_warehouse_db_path(db[i]);

        if (path->len == value[1].len
            && ngx_strncmp(path->data, value[1].data, path->len) == 0)
        {
            wlcf->db = db[i];
        }
    }

    if (wlcf->db == NULL) {
        db = ngx_array_push(&wmcf->databases);
        if (db == NULL) {
            return NGX_CONF_ERROR;
        }

        *db = ngx_http_warehouse_db_create(cf, &value[1]);
        if (*db == NULL) {
            return NGX_CONF_ERROR;
        }

        wlcf->db = *db;
    }

    return ngx_http_warehouse_set_handler(cf, ngx_http_warehouse_items_handler);
}


static char *
ngx_http_warehouse_problem_page(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_warehouse_set_handler(cf,
                                          ngx_http_warehouse_problem_handler);
}


static char *
ngx_http_warehouse_set_handler(ngx_conf_t *cf, ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler != NULL) {
        return clcf->handler == handler
               ? "is duplicate"
               : "conflicts with another handler of this location";
    }

    clcf->handler = handler;

    return NGX_CONF_OK;
}
