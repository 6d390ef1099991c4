#include "ngx_http_warehouse_handle.h"


#define NGX_HTTP_WAREHOUSE_PRODUCE  0    /* ApiKey of Kafka's protocol */


static rd_kafka_resp_err_t ngx_http_warehouse_handle_new(rd_kafka_t *rk,
    const rd_kafka_conf_t *conf, void *sent, char *text, size_t size);
static rd_kafka_resp_err_t ngx_http_warehouse_handle_sent(rd_kafka_t *rk,
    int fd, const char *broker, int32_t id, int16_t key, int16_t version,
    int32_t correlation, size_t size, void *data);


rd_kafka_t *
ngx_http_warehouse_handle(ngx_http_warehouse_kafka_t *kafka,
    ngx_http_warehouse_sent_t **sent, char *text, size_t size)
{
    rd_kafka_t       *rk;
    rd_kafka_conf_t  *properties;

    *sent = ngx_calloc(sizeof(ngx_http_warehouse_sent_t), ngx_cycle->log);
    if (*sent == NULL) {
        (void) ngx_cpystrn((u_char *) text, (u_char *) "out of memory", size);
        return NULL;
    }

    rk = NULL;
    properties = rd_kafka_conf_dup(kafka->properties);

    rd_kafka_conf_set_events(properties, RD_KAFKA_EVENT_DR
                                         | RD_KAFKA_EVENT_ERROR
                                         | RD_KAFKA_EVENT_LOG
                                         | RD_KAFKA_EVENT_STATS);

    (void) rd_kafka_conf_interceptor_add_on_new(properties, "warehouse",
                                                ngx_http_warehouse_handle_new,
                                                *sent);

    if (rd_kafka_conf_set(properties, "bootstrap.servers",
                          (char *) kafka->brokers.data, text, size)
        == RD_KAFKA_CONF_OK)
    {
        rk = rd_kafka_new(RD_KAFKA_PRODUCER, properties, text, size);
    }

    if (rk == NULL) {
        rd_kafka_conf_destroy(properties);
        ngx_free(*sent);
    }

    return rk;
}


static rd_kafka_resp_err_t
ngx_http_warehouse_handle_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf,
    void *sent, char *text, size_t size)
{
    return rd_kafka_interceptor_add_on_request_sent(rk, "warehouse",
                                                ngx_http_warehouse_handle_sent,
                                                sent);
}


static rd_kafka_resp_err_t
ngx_http_warehouse_handle_sent(rd_kafka_t *rk, int fd, const char *broker,
    int32_t id, int16_t key, int16_t version, int32_t correlation, size_t size,
    void *data)
{
    ngx_http_warehouse_sent_t *sent = data;

    if (key == NGX_HTTP_WAREHOUSE_PRODUCE) {
        sent->messages = 1;
    }

    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
