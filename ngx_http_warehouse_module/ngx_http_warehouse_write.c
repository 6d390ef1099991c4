#include "ngx_http_warehouse_write.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_crowd.h"
#include "ngx_http_warehouse_ends.h"
#include "ngx_http_warehouse_request.h"
#include "ngx_http_warehouse_zone.h"


/* how much later than message.timeout.ms a delivery report may come, ms */
#define NGX_HTTP_WAREHOUSE_GUARD  2000


static void ngx_http_warehouse_write_cleanup(void *data);
static void ngx_http_warehouse_write_release(
    ngx_http_warehouse_write_t *write);
static void ngx_http_warehouse_write_guard(ngx_event_t *ev);
static void ngx_http_warehouse_write_reported(void *data,
    const ngx_http_warehouse_report_t *report);
static void ngx_http_warehouse_write_done(ngx_http_warehouse_write_t *write);
static void ngx_http_warehouse_write_measure(
    const ngx_http_warehouse_write_t *write);


ngx_uint_t
ngx_http_warehouse_write_crowded(ngx_http_request_t *r, ngx_uint_t n)
{
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(r, ngx_http_warehouse_module);

    return ngx_http_warehouse_slot->waiting >= wmcf->max_inflight
           || ngx_http_warehouse_slot->queue + n > wmcf->kafka.queue;
}


ngx_http_warehouse_write_t *
ngx_http_warehouse_write_create(ngx_http_request_t *r, ngx_uint_t n,
    void (*handler)(ngx_http_warehouse_write_t *write))
{
    ngx_uint_t                   i;
    ngx_pool_cleanup_t          *cln;
    ngx_http_warehouse_write_t  *write;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_warehouse_write_t));
    if (cln == NULL) {
        return NULL;
    }

    write = cln->data;
    ngx_memzero(write, sizeof(ngx_http_warehouse_write_t));

    write->commands = ngx_pcalloc(r->pool,
                                  n * sizeof(ngx_http_warehouse_written_t));
    if (write->commands == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_warehouse_write_cleanup;

    write->request = r;
    write->n = n;
    write->handler = handler;

    for (i = 0; i < n; i++) {
        write->commands[i].write = write;
        write->commands[i].waiter.handler = ngx_http_warehouse_write_reported;
        write->commands[i].waiter.data = &write->commands[i];
    }

    /*
     * The timer keeps a worker that shuts down alive for the answer: nginx
     * leaves when only cancelable timers remain.
     */

    write->guard.handler = ngx_http_warehouse_write_guard;
    write->guard.data = write;
    write->guard.log = r->connection->log;

    /*
     * A client that goes away in the meantime is not looked for: the command
     * is under way, and the access log is to say what became of it.
     */

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    (void) clock_gettime(CLOCK_MONOTONIC, &write->begun);

    return write;
}


ngx_int_t
ngx_http_warehouse_write_send(ngx_http_warehouse_write_t *write, ngx_uint_t i,
    const ngx_http_warehouse_message_t *message)
{
    ngx_http_warehouse_written_t    *command;
    ngx_http_warehouse_main_conf_t  *wmcf;

    wmcf = ngx_http_get_module_main_conf(write->request,
                                         ngx_http_warehouse_module);
    command = &write->commands[i];
    command->value = message->value;
    command->report.offset = -1;

    if (ngx_http_warehouse_produce(&wmcf->producers, message,
                                   &command->waiter, &command->report.fate)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    write->pending++;

    return NGX_OK;
}


ngx_int_t
ngx_http_warehouse_write_wait(ngx_http_warehouse_write_t *write)
{
    ngx_http_warehouse_main_conf_t  *wmcf;

    if (write->pending == 0) {
        return NGX_OK;
    }

    wmcf = ngx_http_get_module_main_conf(write->request,
                                         ngx_http_warehouse_module);

    write->waiting = 1;
    ngx_http_warehouse_slot->waiting++;
    ngx_http_warehouse_crowd(ngx_http_warehouse_slot->waiting);

    ngx_add_timer(&write->guard, wmcf->kafka.timeout
                                 + NGX_HTTP_WAREHOUSE_GUARD);

    return NGX_DONE;
}


static void
ngx_http_warehouse_write_cleanup(void *data)
{
    ngx_http_warehouse_write_release(data);
}


static void
ngx_http_warehouse_write_release(ngx_http_warehouse_write_t *write)
{
    ngx_uint_t  i;

    for (i = 0; write->pending > 0 && i < write->n; i++) {
        ngx_http_warehouse_forget(&write->commands[i].waiter);
    }

    write->pending = 0;

    if (write->waiting) {
        write->waiting = 0;
        ngx_http_warehouse_slot->waiting--;
    }

    if (write->guard.timer_set) {
        ngx_del_timer(&write->guard);
    }
}


static void
ngx_http_warehouse_write_guard(ngx_event_t *ev)
{
    ngx_uint_t                       i;
    ngx_http_warehouse_write_t      *write;
    ngx_http_warehouse_main_conf_t  *wmcf;

    write = ev->data;
    wmcf = ngx_http_get_module_main_conf(write->request,
                                         ngx_http_warehouse_module);

    ngx_http_warehouse_outage_more(&wmcf->producers.outage,
                                   "no delivery report in time");

    for (i = 0; i < write->n; i++) {
        if (write->commands[i].waiter.pending != NULL) {
            write->commands[i].report.fate = NGX_HTTP_WAREHOUSE_UNKNOWN;
            write->commands[i].report.offset = -1;
        }
    }

    ngx_http_warehouse_write_done(write);
}


static void
ngx_http_warehouse_write_reported(void *data,
    const ngx_http_warehouse_report_t *report)
{
    ngx_http_warehouse_written_t *command = data;

    command->report = *report;

    if (report->fate == NGX_HTTP_WAREHOUSE_PERSISTED) {
        ngx_http_warehouse_write_measure(command->write);

        if (report->offset >= 0) {
            ngx_http_warehouse_ends_raise((char *)
                ngx_http_warehouse_commands_topic(command->write->request)
                    ->data, report->partition, report->offset);
        }
    }

    if (--command->write->pending == 0) {
        ngx_http_warehouse_write_done(command->write);
    }
}


static void
ngx_http_warehouse_write_done(ngx_http_warehouse_write_t *write)
{
    ngx_connection_t  *c;

    c = write->request->connection;

    ngx_http_set_log_request(c->log, write->request);

    ngx_http_warehouse_write_release(write);

    write->handler(write);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_warehouse_write_measure(const ngx_http_warehouse_write_t *write)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    ngx_http_warehouse_count_latency(
                         (int64_t) (now.tv_sec - write->begun.tv_sec) * 1000000
                         + (now.tv_nsec - write->begun.tv_nsec) / 1000);
}
