#include "ngx_http_warehouse_entry.h"


typedef struct {
    ngx_http_request_t          *request;
    ngx_http_warehouse_serve_e   serve;
} ngx_http_warehouse_entry_t;


static void ngx_http_warehouse_entry_cleanup(void *data);


ngx_int_t
ngx_http_warehouse_enter(ngx_http_request_t *r,
    ngx_http_warehouse_serve_e serve)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_warehouse_entry_t  *entry;

    if (r != r->main) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "location \"%V\" does not serve subrequests",
                      &((ngx_http_core_loc_conf_t *)
                        ngx_http_get_module_loc_conf(r,
                                             ngx_http_core_module))->name);
        return NGX_HTTP_FORBIDDEN;
    }

    /* error_page may have led here from another location of ours */

    for (cln = r->pool->cleanup; cln != NULL; cln = cln->next) {
        if (cln->handler == ngx_http_warehouse_entry_cleanup) {
            return NGX_OK;
        }
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_warehouse_entry_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_warehouse_entry_cleanup;

    entry = cln->data;
    entry->request = r;
    entry->serve = serve;

    return NGX_OK;
}


/* The pool goes after everything else of the request: its status is final. */

static void
ngx_http_warehouse_entry_cleanup(void *data)
{
    ngx_http_warehouse_entry_t *entry = data;

    ngx_http_request_t  *r;

    r = entry->request;

    ngx_http_warehouse_count_request(entry->serve,
                                     r->err_status ? r->err_status
                                                   : r->headers_out.status);
}
