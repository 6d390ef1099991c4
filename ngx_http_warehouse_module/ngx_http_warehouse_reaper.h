/*
 * Destroying librdkafka's handles where nobody waits for it:
 * rd_kafka_destroy() joins threads that may hang in a name lookup.
 */

#ifndef _NGX_HTTP_WAREHOUSE_REAPER_H_INCLUDED_
#define _NGX_HTTP_WAREHOUSE_REAPER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <librdkafka/rdkafka.h>


/*
 * Takes a handle whose queues and topics the caller has destroyed, and destroys
 * it in a thread of its own; then frees data, which its threads may have used.
 */
void ngx_http_warehouse_reap(rd_kafka_t *rk, void *data);

/*
 * Waits for these threads, at most so many ms in all; what is not done then is
 * left to the end of the process.
 */
void ngx_http_warehouse_reap_wait(ngx_msec_t limit);


#endif /* _NGX_HTTP_WAREHOUSE_REAPER_H_INCLUDED_ */
