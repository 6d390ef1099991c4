#include "ngx_http_warehouse_outcome.h"
#include "ngx_http_warehouse_conf.h"
#include "ngx_http_warehouse_ends.h"
#include "ngx_http_warehouse_outcomes.h"
#include "ngx_http_warehouse_problem.h"
#include "ngx_http_warehouse_reply.h"
#include "ngx_http_warehouse_request.h"


/* of an outcome's JSON */
#define NGX_HTTP_WAREHOUSE_OUTCOME_LEN  (WH_COMMAND_LEN + WH_KEPT_REASON_MAX  \
                                         + WH_POSITION_LEN + 256)


static ngx_int_t ngx_http_warehouse_outcome_read(ngx_http_request_t *r,
    ngx_http_warehouse_reader_t *reader, const wh_position_t *position,
    ngx_str_t *body);
static ngx_int_t ngx_http_warehouse_outcome_ahead(ngx_http_request_t *r,
    ngx_str_t *topic, const wh_position_t *position, ngx_str_t *body);
static void ngx_http_warehouse_outcome_put(wh_text_t *t,
    const wh_kept_t *kept);
static ngx_uint_t ngx_http_warehouse_outcome_same(const wh_command_t *a,
    const wh_command_t *b);
static void ngx_http_warehouse_outcome_members(wh_text_t *t,
    const wh_kept_t *kept);
static void ngx_http_warehouse_outcome_number(wh_text_t *t, const char *name,
    int64_t n);
static void ngx_http_warehouse_outcome_position(wh_text_t *t,
    const char *name, int64_t partition, int64_t offset);
static ngx_int_t ngx_http_warehouse_outcome_copy(ngx_http_request_t *r,
    const wh_text_t *text, ngx_str_t *copy);


static const char  *ngx_http_warehouse_verdicts[] = {
    [WH_APPLIED] = "applied",
    [WH_REFUSED] = "refused",
    [WH_DUPLICATE] = "duplicate",
    [WH_MALFORMED] = "malformed"
};


const char *
ngx_http_warehouse_outcome_status(wh_verdict_t verdict)
{
    return ngx_http_warehouse_verdicts[verdict];
}


ngx_int_t
ngx_http_warehouse_outcome(ngx_http_request_t *r, ngx_str_t *text)
{
    ngx_int_t                       rc;
    ngx_str_t                       body, type;
    wh_position_t                   position;
    ngx_http_warehouse_reader_t    *reader;
    ngx_http_warehouse_refusal_t    refusal;
    ngx_http_warehouse_loc_conf_t  *wlcf;

    static const ngx_http_warehouse_problem_t  bad = {
        NGX_HTTP_NOT_FOUND, "the address is not that of a command: its "
        "position, PARTITION:OFFSET", NULL, NULL, 0, NULL
    };

    static const ngx_http_warehouse_problem_t  none = {
        NGX_HTTP_NOT_FOUND, "no command was written at this position", NULL,
        NULL, 0, NULL
    };

    static const ngx_http_warehouse_problem_t  gone = {
        NGX_HTTP_WAREHOUSE_NO_MORE, "the command was processed; what became of it "
        "is not known any more", NULL, NULL, 0, NULL
    };

    if (wh_position_parse(&position, (char *) text->data, text->len) != WH_OK) {
        return ngx_http_warehouse_problem(r, &bad);
    }

    wlcf = ngx_http_get_module_loc_conf(r, ngx_http_warehouse_module);

    rc = ngx_http_warehouse_db_begin(wlcf->db, &reader, &refusal);

    if (rc == NGX_OK) {
        rc = ngx_http_warehouse_outcome_read(r, reader, &position, &body);
        rc = ngx_http_warehouse_db_end(wlcf->db, rc, &refusal);
    }

    switch (rc) {

    case NGX_OK:
        break;

    case NGX_DONE:
        return ngx_http_warehouse_problem(r, &gone);

    case NGX_DECLINED:
        return ngx_http_warehouse_problem(r, &none);

    case NGX_ABORT:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;

    default:
        return ngx_http_warehouse_refused(r, &refusal);
    }

    ngx_str_set(&type, "application/json");

    return ngx_http_warehouse_reply(r, NGX_HTTP_OK, &type, &body);
}


/*
 * NGX_OK, NGX_DONE, NGX_DECLINED, NGX_ERROR, as of
 * ngx_http_warehouse_outcomes_find(); NGX_ABORT: out of memory.
 */

static ngx_int_t
ngx_http_warehouse_outcome_read(ngx_http_request_t *r,
    ngx_http_warehouse_reader_t *reader, const wh_position_t *position,
    ngx_str_t *body)
{
    char        buf[NGX_HTTP_WAREHOUSE_OUTCOME_LEN];
    int64_t     next;
    ngx_int_t   rc;
    ngx_str_t  *topic;
    ngx_uint_t  older;
    wh_kept_t   kept;
    wh_text_t   out;

    topic = ngx_http_warehouse_commands_topic(r);

    rc = ngx_http_warehouse_outcomes_open(reader);
    older = (rc == NGX_DECLINED);

    if (rc == NGX_OK || older) {
        rc = ngx_http_warehouse_outcomes_next(reader, topic,
                                              position->partition, &next);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (position->offset >= next) {
        return ngx_http_warehouse_outcome_ahead(r, topic, position, body);
    }

    if (older) {
        /* its daemon keeps none */
        return NGX_DONE;
    }

    rc = ngx_http_warehouse_outcomes_find(reader, topic, position->partition,
                                          position->offset, &kept);
    if (rc != NGX_OK) {
        return rc;
    }

    wh_text_init(&out, buf, sizeof(buf));
    ngx_http_warehouse_outcome_put(&out, &kept);

    return ngx_http_warehouse_outcome_copy(r, &out, body);
}


/* A position that is not processed: of a command that waits, or of none. */

static ngx_int_t
ngx_http_warehouse_outcome_ahead(ngx_http_request_t *r, ngx_str_t *topic,
    const wh_position_t *position, ngx_str_t *body)
{
    if (!ngx_http_warehouse_ends_reach(r, topic, position)) {
        return NGX_DECLINED;
    }

    ngx_str_set(body, "{\"status\":\"pending\"}");

    return NGX_OK;
}


/* All that is known. */

static void
ngx_http_warehouse_outcome_put(wh_text_t *t, const wh_kept_t *kept)
{
    wh_text_put(t, "{\"status\":\"");
    wh_text_put(t, ngx_http_warehouse_verdicts[kept->verdict]);
    wh_text_put(t, "\"");

    if (kept->reason != NULL) {
        wh_text_put(t, ",\"reason\":\"");
        wh_text_put(t, kept->reason);
        wh_text_put(t, "\"");
    }

    if (kept->verdict != WH_MALFORMED) {
        wh_text_put(t, ",");
        wh_command_put_fields(t, &kept->command);
        ngx_http_warehouse_outcome_number(t, ",\"stock\":", kept->stock);
        ngx_http_warehouse_outcome_number(t, ",\"version\":", kept->version);
    }

    if (kept->verdict == WH_APPLIED) {
        ngx_http_warehouse_outcome_position(t, ",\"notification\":", 0,
                                            kept->notified);
    }

    if (kept->verdict == WH_DUPLICATE) {
        ngx_http_warehouse_outcome_position(t, ",\"original\":",
                                            kept->original.partition,
                                            kept->original.offset);
    }

    wh_text_put(t, "}");
}


ngx_int_t
ngx_http_warehouse_outcome_first(ngx_http_request_t *r,
    ngx_http_warehouse_reader_t *reader, ngx_str_t *topic, wh_kept_t *kept,
    ngx_str_t *members)
{
    char          buf[NGX_HTTP_WAREHOUSE_OUTCOME_LEN], sku[WH_SKU_MAX];
    wh_text_t     text;
    wh_kept_t     original;
    wh_command_t  repeated;

    wh_text_init(&text, buf, sizeof(buf));
    ngx_http_warehouse_outcome_members(&text, kept);

    if (kept->verdict == WH_DUPLICATE) {
        /* its texts are gone with the next one */
        repeated = kept->command;
        ngx_memcpy(sku, repeated.sku, repeated.sku_len);
        repeated.sku = sku;
    }

    if (kept->verdict == WH_DUPLICATE
        && ngx_http_warehouse_outcomes_find(reader, topic,
                                            kept->original.partition,
                                            kept->original.offset, &original)
           == NGX_OK
        && original.verdict == WH_APPLIED
        && ngx_http_warehouse_outcome_same(&original.command, &repeated))
    {
        wh_text_init(&text, buf, sizeof(buf));
        ngx_http_warehouse_outcome_members(&text, &original);
        kept->verdict = WH_APPLIED;
    }

    return ngx_http_warehouse_outcome_copy(r, &text, members);
}


ngx_uint_t
ngx_http_warehouse_outcome_is_of(const wh_kept_t *kept, const ngx_str_t *value)
{
    char          texts[WH_COMMAND_TEXTS];
    wh_error_t    err;
    wh_command_t  command;

    return kept->verdict != WH_MALFORMED
           && wh_command_decode((const char *) value->data, value->len,
                                &command, texts, &err)
              == WH_OK
           && ngx_http_warehouse_outcome_same(&kept->command, &command);
}


/* Keys outlive a change of commands_topic: the original may be of another one. */

static ngx_uint_t
ngx_http_warehouse_outcome_same(const wh_command_t *a, const wh_command_t *b)
{
    return a->action == b->action && a->qty == b->qty
           && a->expected_version == b->expected_version
           && a->expected_qty == b->expected_qty && a->sku_len == b->sku_len
           && ngx_memcmp(a->sku, b->sku, a->sku_len) == 0;
}


/* What who waits for it does not know. */

static void
ngx_http_warehouse_outcome_members(wh_text_t *t, const wh_kept_t *kept)
{
    switch (kept->verdict) {

    case WH_APPLIED:
        wh_text_put(t, "\"sku\":");
        wh_text_string(t, kept->command.sku, kept->command.sku_len);
        break;

    case WH_DUPLICATE:
        ngx_http_warehouse_outcome_position(t, "\"original\":",
                                            kept->original.partition,
                                            kept->original.offset);
        return;

    default:
        wh_text_put(t, "\"reason\":\"");
        wh_text_put(t, kept->reason);
        wh_text_put(t, "\"");
        break;
    }

    ngx_http_warehouse_outcome_number(t, ",\"stock\":", kept->stock);
    ngx_http_warehouse_outcome_number(t, ",\"version\":", kept->version);
}


static void
ngx_http_warehouse_outcome_number(wh_text_t *t, const char *name, int64_t n)
{
    wh_text_put(t, name);
    wh_text_int(t, n);
}


static void
ngx_http_warehouse_outcome_position(wh_text_t *t, const char *name,
    int64_t partition, int64_t offset)
{
    wh_text_put(t, name);
    wh_text_put(t, "\"");
    wh_text_int(t, partition);
    wh_text_put(t, ":");
    wh_text_int(t, offset);
    wh_text_put(t, "\"");
}


/* With a NUL behind it. */

static ngx_int_t
ngx_http_warehouse_outcome_copy(ngx_http_request_t *r, const wh_text_t *text,
    ngx_str_t *copy)
{
    copy->len = wh_text_len(text);
    copy->data = ngx_pnalloc(r->pool, copy->len + 1);

    if (copy->data == NULL) {
        return NGX_ABORT;
    }

    ngx_memcpy(copy->data, text->start, copy->len);
    copy->data[copy->len] = '\0';

    return NGX_OK;
}
