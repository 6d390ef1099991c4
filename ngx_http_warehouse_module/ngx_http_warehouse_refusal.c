#include "ngx_http_warehouse_refusal.h"
#include "ngx_http_warehouse_problem.h"


void
ngx_http_warehouse_refuse(ngx_http_warehouse_refusal_t *refusal,
    ngx_http_warehouse_outage_t *outage,
    const ngx_http_warehouse_reader_t *reader, ngx_uint_t crowded)
{
    ngx_http_warehouse_outage_request(outage, reader->rc, reader->err.text);

    refusal->retry = 1;

    switch (reader->rc) {

    case WH_NONE:
        refusal->detail = "there is no stock yet";
        break;

    case WH_RECOVERING:
        refusal->detail = "the stock is being recovered";
        break;

    case WH_ERROR:
        refusal->detail = "the stock cannot be read";
        refusal->retry = 0;
        break;

    default:
        refusal->detail = crowded ? "too many lists are still being sent"
                                  : "the stock cannot be read now";
        break;
    }
}


ngx_int_t
ngx_http_warehouse_refused(ngx_http_request_t *r,
    const ngx_http_warehouse_refusal_t *refusal)
{
    ngx_http_warehouse_problem_t  problem;

    ngx_memzero(&problem, sizeof(ngx_http_warehouse_problem_t));

    problem.status = NGX_HTTP_SERVICE_UNAVAILABLE;
    problem.detail = refusal->detail;
    problem.retry = refusal->retry;

    return ngx_http_warehouse_problem(r, &problem);
}
