#include "ngx_http_warehouse_fates.h"


static const ngx_http_warehouse_problem_t  ngx_http_warehouse_fates[] = {

    [NGX_HTTP_WAREHOUSE_NOT_PERSISTED] = {
        NGX_HTTP_SERVICE_UNAVAILABLE,
        "commands cannot be taken now; this one was not written",
        NULL, NULL, 1, NULL },

    [NGX_HTTP_WAREHOUSE_BUSY] = {
        NGX_HTTP_SERVICE_UNAVAILABLE,
        "too many commands are waiting; this one was not written",
        NULL, NULL, 1, NULL },

    [NGX_HTTP_WAREHOUSE_DENIED] = {
        NGX_HTTP_SERVICE_UNAVAILABLE,
        "commands cannot be taken now; this one was not written",
        NULL, NULL, 0, NULL },

    [NGX_HTTP_WAREHOUSE_TOO_LARGE] = {
        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
        "the body is larger than the brokers accept",
        NULL, NULL, 0, NULL },

    [NGX_HTTP_WAREHOUSE_TOO_LARGE_HERE] = {
        NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
        "the body is larger than Kafka's message.max.bytes",
        NULL, NULL, 0, NULL },

    [NGX_HTTP_WAREHOUSE_UNKNOWN] = {
        NGX_HTTP_GATEWAY_TIME_OUT,
        "the brokers did not answer in time; the command may have been written",
        NULL, NULL, 0, NULL },
};


const ngx_http_warehouse_problem_t *
ngx_http_warehouse_fate_problem(ngx_http_warehouse_fate_e fate)
{
    return (fate == NGX_HTTP_WAREHOUSE_PERSISTED)
           ? NULL : &ngx_http_warehouse_fates[fate];
}
