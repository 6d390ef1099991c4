#include "kafka/suspect.h"


static rd_kafka_resp_err_t wh_suspect_on_response(rd_kafka_t *rk,
    int sockfd, const char *broker, int32_t broker_id, int16_t key,
    int16_t version, int32_t correlation, size_t size, int64_t rtt,
    rd_kafka_resp_err_t e, void *data);


rd_kafka_resp_err_t
wh_suspect_on_new(rd_kafka_t *rk, const rd_kafka_conf_t *rkconf, void *data,
    char *text, size_t size)
{
    (void) rkconf;
    (void) text;
    (void) size;

    return rd_kafka_interceptor_add_on_response_received(rk, "warehouse",
                                                   wh_suspect_on_response,
                                                   data);
}


static rd_kafka_resp_err_t
wh_suspect_on_response(rd_kafka_t *rk, int sockfd, const char *broker,
    int32_t broker_id, int16_t key, int16_t version, int32_t correlation,
    size_t size, int64_t rtt, rd_kafka_resp_err_t e, void *data)
{
    wh_suspect_t  *s = data;

    (void) rk;
    (void) sockfd;
    (void) broker;
    (void) broker_id;
    (void) version;
    (void) correlation;
    (void) size;
    (void) rtt;

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR
        || __atomic_load_n(&s->off, __ATOMIC_RELAXED))
    {
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }

    switch (key) {

    case 0:    /* Produce */
    case 24:   /* AddPartitionsToTxn */
    case 25:   /* AddOffsetsToTxn */
    case 26:   /* EndTxn */
    case 28:   /* TxnOffsetCommit */
        __atomic_store_n(&s->unanswered, 1, __ATOMIC_RELAXED);
        break;

    default:
        break;
    }

    return RD_KAFKA_RESP_ERR_NO_ERROR;
}


int
wh_suspect_any(const wh_suspect_t *s)
{
    return __atomic_load_n(&s->unanswered, __ATOMIC_RELAXED);
}


void
wh_suspect_clear(wh_suspect_t *s)
{
    __atomic_store_n(&s->unanswered, 0, __ATOMIC_RELAXED);
}


void
wh_suspect_off(wh_suspect_t *s)
{
    __atomic_store_n(&s->off, 1, __ATOMIC_RELAXED);
}
