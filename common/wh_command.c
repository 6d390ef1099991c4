#include "wh_command.h"
#include "wh_json.h"

#include <stdint.h>
#include <string.h>


static const char  *wh_actions[] = { "increase", "decrease" };


static int wh_command_fields(const wh_object_t *object, wh_command_t *command,
    char *texts, wh_error_t *err);
static int wh_command_options(const wh_object_t *object,
    wh_command_t *command, char *reference, wh_error_t *err);
static int wh_command_expected(const wh_object_t *object, const char *name,
    int64_t *expected);
static int wh_command_bad(wh_error_t *err, const char *reason,
    const char *pointer, const char *text);
static int wh_notification_fields(const wh_object_t *object,
    wh_notification_t *notification, wh_error_t *err);
static int wh_notification_source(const wh_member_t *source,
    wh_notification_t *n);


/* Parses an object without duplicate names. */

static int
wh_object_parse(const char *text, size_t len, wh_object_t *object,
    wh_error_t *err)
{
    int  rc;

    rc = wh_json_parse(text, len, object, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_json_unique(object, err);

    if (rc != WH_OK) {
        wh_json_free(object);
    }

    return rc;
}


int
wh_command_decode(const char *text, size_t len, wh_command_t *command,
    char *texts, wh_error_t *err)
{
    int          rc;
    wh_object_t  object;

    rc = wh_object_parse(text, len, &object, err);

    if (rc == WH_OK) {
        rc = wh_command_fields(&object, command, texts, err);
        wh_json_free(&object);
    }

    return rc;
}


static int
wh_command_fields(const wh_object_t *object, wh_command_t *command,
    char *texts, wh_error_t *err)
{
    int     rc;
    char    action[sizeof("increase")];
    size_t  len;

    rc = wh_json_text(wh_json_member(object, "action"), action, sizeof(action),
                      &len);

    if (rc == WH_OK && strcmp(action, wh_actions[WH_INCREASE]) == 0) {
        command->action = WH_INCREASE;

    } else if (rc == WH_OK && strcmp(action, wh_actions[WH_DECREASE]) == 0) {
        command->action = WH_DECREASE;

    } else if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "out of memory");

    } else {
        return wh_command_bad(err, "invalid_action", "#/action",
                              "action must be \"increase\" or \"decrease\"");
    }

    command->sku = texts;

    rc = wh_json_text(wh_json_member(object, "sku"), texts, WH_SKU_MAX + 1,
                      &command->sku_len);

    if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "out of memory");
    }

    if (rc != WH_OK || !wh_sku_valid(texts, command->sku_len)) {
        return wh_command_bad(err, "invalid_sku", "#/sku",
                              "sku must be a string of 1 to 255 bytes of UTF-8 "
                              "without control characters");
    }

    if (wh_json_integer(wh_json_member(object, "qty"), 1, WH_QTY_MAX,
                        &command->qty)
        != WH_OK)
    {
        return wh_command_bad(err, "invalid_qty", "#/qty",
                              "qty must be an integer from 1 to "
                              "9007199254740991");
    }

    return wh_command_options(object, command, texts + command->sku_len + 1,
                              err);
}


/* What a command may do without. */

static int
wh_command_options(const wh_object_t *object, wh_command_t *command,
    char *reference, wh_error_t *err)
{
    int                 rc;
    const wh_member_t  *member;

    if (wh_command_expected(object, "expected_version",
                            &command->expected_version)
        != WH_OK)
    {
        return wh_command_bad(err, "invalid_expected_version",
                              "#/expected_version",
                              "expected_version must be an integer from 0 to "
                              "9007199254740991");
    }

    if (wh_command_expected(object, "expected_qty", &command->expected_qty)
        != WH_OK)
    {
        return wh_command_bad(err, "invalid_expected_qty", "#/expected_qty",
                              "expected_qty must be an integer from 0 to "
                              "9007199254740991");
    }

    command->reference = NULL;
    command->reference_len = 0;

    member = wh_json_member(object, "reference");
    if (member == NULL) {
        return WH_OK;
    }

    command->reference = reference;

    rc = wh_json_text(member, reference, WH_REFERENCE_MAX + 1,
                      &command->reference_len);

    if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "out of memory");
    }

    if (rc != WH_OK) {
        return wh_command_bad(err, "invalid_reference", "#/reference",
                              "reference must be a string of at most 255 bytes "
                              "of UTF-8");
    }

    return WH_OK;
}


/* A condition; one that is not there is -1. */

static int
wh_command_expected(const wh_object_t *object, const char *name,
    int64_t *expected)
{
    const wh_member_t  *member;

    *expected = -1;

    member = wh_json_member(object, name);

    return (member == NULL) ? WH_OK
                            : wh_json_integer(member, 0, WH_QTY_MAX, expected);
}


size_t
wh_command_texts(const wh_command_t *command)
{
    return command->sku_len + 1
           + (command->reference ? command->reference_len + 1 : 0);
}


int
wh_command_conditional(const wh_command_t *command)
{
    return command->expected_version >= 0 || command->expected_qty >= 0;
}


static int
wh_command_bad(wh_error_t *err, const char *reason, const char *pointer,
    const char *text)
{
    (void) wh_error_set(err, WH_ECOMMAND, "%s", text);

    if (err != NULL) {
        err->reason = reason;
        err->pointer = pointer;
    }

    return WH_ECOMMAND;
}


int
wh_notification_decode(const char *text, size_t len,
    wh_notification_t *notification, wh_error_t *err)
{
    int          rc;
    wh_object_t  object;

    rc = wh_object_parse(text, len, &object, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_command_fields(&object, &notification->command,
                           notification->texts, err);

    if (rc == WH_OK) {
        rc = wh_notification_fields(&object, notification, err);
    }

    wh_json_free(&object);

    return rc;
}


static int
wh_notification_fields(const wh_object_t *object, wh_notification_t *n,
    wh_error_t *err)
{
    int  rc;

    if (wh_json_integer(wh_json_member(object, "stock"), 0, WH_QTY_MAX,
                        &n->stock)
        != WH_OK)
    {
        return wh_command_bad(err, "invalid_stock", "#/stock",
                              "stock must be an integer from 0 to "
                              "9007199254740991");
    }

    if (wh_json_integer(wh_json_member(object, "version"), 1, WH_QTY_MAX,
                        &n->version)
        != WH_OK)
    {
        return wh_command_bad(err, "invalid_version", "#/version",
                              "version must be an integer from 1 to "
                              "9007199254740991");
    }

    rc = wh_notification_source(wh_json_member(object, "source"), n);

    if (rc == WH_NOMEM) {
        return wh_error_set(err, rc, "out of memory");
    }

    if (rc != WH_OK) {
        return wh_command_bad(err, "invalid_source", "#/source",
                              "source must hold topic, partition and offset");
    }

    return WH_OK;
}


static int
wh_notification_source(const wh_member_t *source, wh_notification_t *n)
{
    int          rc;
    size_t       len;
    int64_t      partition;
    wh_object_t  object;

    if (source == NULL) {
        return WH_ECOMMAND;
    }

    rc = wh_json_parse(source->value, source->len, &object, NULL);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_json_text(wh_json_member(&object, "topic"), n->topic,
                      sizeof(n->topic), &len);

    if (rc == WH_OK) {
        rc = wh_json_integer(wh_json_member(&object, "partition"), 0,
                             INT32_MAX, &partition);
    }

    if (rc == WH_OK) {
        n->partition = (int32_t) partition;
        rc = wh_json_integer(wh_json_member(&object, "offset"), 0, WH_QTY_MAX,
                             &n->offset);
    }

    wh_json_free(&object);

    return rc;
}


int
wh_notification_time(const char *text, size_t len, int64_t *time)
{
    size_t  i;

    *time = 0;

    for (i = 0; i < len; i++) {

        if (text[i] < '0' || text[i] > '9') {
            return WH_ECOMMAND;
        }

        *time = *time * 10 + (text[i] - '0');

        if (*time > WH_QTY_MAX) {
            return WH_ECOMMAND;
        }
    }

    return (len > 0) ? WH_OK : WH_ECOMMAND;
}


void
wh_command_put(wh_text_t *t, const wh_command_t *command)
{
    wh_text_put(t, "{");
    wh_command_put_fields(t, command);
    wh_text_put(t, "}");
}


void
wh_command_put_fields(wh_text_t *t, const wh_command_t *command)
{
    wh_text_put(t, "\"action\":\"");
    wh_text_put(t, wh_actions[command->action]);
    wh_text_put(t, "\",\"sku\":");
    wh_text_string(t, command->sku, command->sku_len);
    wh_text_put(t, ",\"qty\":");
    wh_text_int(t, command->qty);

    if (command->expected_version >= 0) {
        wh_text_put(t, ",\"expected_version\":");
        wh_text_int(t, command->expected_version);
    }

    if (command->expected_qty >= 0) {
        wh_text_put(t, ",\"expected_qty\":");
        wh_text_int(t, command->expected_qty);
    }

    if (command->reference != NULL) {
        wh_text_put(t, ",\"reference\":");
        wh_text_string(t, command->reference, command->reference_len);
    }
}


void
wh_notification_put(wh_text_t *t, const wh_notification_t *n)
{
    wh_text_put(t, "{");
    wh_command_put_fields(t, &n->command);
    wh_text_put(t, ",\"stock\":");
    wh_text_int(t, n->stock);
    wh_text_put(t, ",\"version\":");
    wh_text_int(t, n->version);
    wh_text_put(t, ",\"source\":");
    wh_source_put(t, n->topic, n->partition, n->offset);
    wh_text_put(t, "}");
}


void
wh_source_put(wh_text_t *t, const char *topic, int32_t partition,
    int64_t offset)
{
    wh_text_put(t, "{\"topic\":");
    wh_text_string(t, topic, strlen(topic));
    wh_text_put(t, ",\"partition\":");
    wh_text_int(t, partition);
    wh_text_put(t, ",\"offset\":");
    wh_text_int(t, offset);
    wh_text_put(t, "}");
}
