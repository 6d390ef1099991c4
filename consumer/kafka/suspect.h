/*
 * Requests of a transaction that went without their answer.  A retry of one may
 * still be on its way, and a late EndTxn would end the next transaction: there
 * is no KIP-890 in librdkafka.
 */

#ifndef WH_SUSPECT_H
#define WH_SUSPECT_H

#include <librdkafka/rdkafka.h>


/* Zeroed: none did.  librdkafka's threads write to it. */

typedef struct {
    int  unanswered;
    int  off;            /* nobody asks any more */
} wh_suspect_t;


/* For rd_kafka_conf_interceptor_add_on_new(), with a wh_suspect_t. */
rd_kafka_resp_err_t wh_suspect_on_new(rd_kafka_t *rk,
    const rd_kafka_conf_t *rkconf, void *suspect, char *text, size_t size);

/* True if there is one, since the last wh_suspect_clear(). */
int wh_suspect_any(const wh_suspect_t *suspect);
void wh_suspect_clear(wh_suspect_t *suspect);

/* From now on none is noted: the handle is being closed. */
void wh_suspect_off(wh_suspect_t *suspect);


#endif
