#include "ngx_http_warehouse_variables.h"
#include "ngx_http_warehouse_reply.h"


static ngx_int_t ngx_http_warehouse_position_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_warehouse_vars[] = {

    { ngx_string("warehouse_position"), NULL,
      ngx_http_warehouse_position_variable, 0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_warehouse_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_warehouse_vars; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_warehouse_position_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    /* in the reply's header: error_page keeps that */

    for (part = &r->headers_out.headers.part; part != NULL; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash != 0
                && h[i].key.len == sizeof(NGX_HTTP_WAREHOUSE_POSITION) - 1
                && ngx_strncmp(h[i].key.data, NGX_HTTP_WAREHOUSE_POSITION,
                               h[i].key.len)
                   == 0)
            {
                v->valid = 1;
                v->no_cacheable = 0;
                v->not_found = 0;
                v->len = h[i].value.len;
                v->data = h[i].value.data;

                return NGX_OK;
            }
        }
    }

    v->not_found = 1;

    return NGX_OK;
}
