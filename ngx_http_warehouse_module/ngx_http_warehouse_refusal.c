#include "ngx_http_warehouse_refusal.h"
#include "wh_error.h"


void
ngx_http_warehouse_refusal(ngx_http_warehouse_refusal_t *refusal, int rc,
    ngx_uint_t crowded)
{
    refusal->retry = 1;

    switch (rc) {

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
