#include "ledger/record.h"

#include <stdlib.h>
#include <string.h>


static int wh_record_command(const wh_record_t *r, wh_outcome_t *o,
    char *texts, wh_error_t *why);
static int wh_record_malformed(const wh_record_t *r, int keep,
    const char *reason, wh_outcome_t *o, wh_error_t *err);
static int wh_record_trace(const wh_record_t *r, wh_outcome_t *o,
    wh_error_t *err);
static int wh_record_copy(char **dst, const char *src, size_t len,
    wh_error_t *err);


int
wh_record_decode(const wh_record_t *r, int keep, wh_outcome_t *o, char *texts,
    wh_error_t *err)
{
    int         rc;
    wh_key_t    key;
    wh_error_t  why;

    o->verdict = WH_APPLIED;
    o->reason = NULL;
    o->key = NULL;
    o->traceparent = NULL;
    o->tracestate = NULL;
    o->time = (r->time < 0) ? 0 : (r->time > WH_QTY_MAX) ? WH_QTY_MAX : r->time;
    o->stock = 0;
    o->version = 0;
    o->notified = -1;
    o->partition = r->partition;
    o->offset = r->offset;

    rc = wh_record_command(r, o, texts, &why);

    if (rc == WH_OK && r->key != NULL) {
        rc = wh_key_set(&key, r->key, r->key_len, &why);
    }

    if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "%s", why.text);
    }

    if (rc != WH_OK) {
        rc = wh_record_malformed(r, keep, why.reason, o, err);

    } else if (r->key != NULL) {
        rc = wh_record_copy(&o->key, key.text, key.len, err);
    }

    if (rc == WH_OK) {
        rc = wh_record_trace(r, o, err);
    }

    if (rc != WH_OK) {
        wh_outcome_free(o);
    }

    return rc;
}


/* WH_OK, or why it is malformed. */

static int
wh_record_command(const wh_record_t *r, wh_outcome_t *o, char *texts,
    wh_error_t *why)
{
    if (r->odd != NULL) {
        why->reason = r->odd;
        return WH_ECOMMAND;
    }

    return wh_command_decode(r->value ? r->value : "", r->len, &o->command,
                             texts, why);
}


static int
wh_record_malformed(const wh_record_t *r, int keep, const char *reason,
    wh_outcome_t *o, wh_error_t *err)
{
    o->verdict = WH_MALFORMED;
    o->reason = reason;
    o->malformed.value = NULL;
    o->malformed.len = r->len;

    if (!keep || r->value == NULL) {
        return WH_OK;
    }

    return wh_record_copy(&o->malformed.value, r->value,
                          (r->len < WH_VALUE_MAX) ? r->len : WH_VALUE_MAX,
                          err);
}


/* What cannot be handed on is left out, as the W3C's text has it. */

static int
wh_record_trace(const wh_record_t *r, wh_outcome_t *o, wh_error_t *err)
{
    int  rc;

    if (r->traceparent == NULL
        || !wh_trace_parent_valid(r->traceparent, r->traceparent_len))
    {
        return WH_OK;
    }

    rc = wh_record_copy(&o->traceparent, r->traceparent, r->traceparent_len,
                       err);

    if (rc == WH_OK && r->tracestate != NULL
        && wh_trace_state_valid(r->tracestate, r->tracestate_len))
    {
        rc = wh_record_copy(&o->tracestate, r->tracestate, r->tracestate_len,
                           err);
    }

    return rc;
}


/* A copy with a NUL behind it. */

static int
wh_record_copy(char **dst, const char *src, size_t len, wh_error_t *err)
{
    *dst = malloc(len + 1);

    if (*dst == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    memcpy(*dst, src, len);
    (*dst)[len] = '\0';

    return WH_OK;
}


void
wh_outcome_free(wh_outcome_t *o)
{
    free(o->key);
    free(o->traceparent);
    free(o->tracestate);

    if (o->verdict == WH_MALFORMED) {
        free(o->malformed.value);
    }
}
