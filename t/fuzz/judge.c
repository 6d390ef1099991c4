#include "judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static int
judge_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}


judge_value_t *
judge_member(const judge_value_t *object, const char *name)
{
    judge_value_t  *v;

    if (object == NULL || object->type != JUDGE_OBJECT) {
        return NULL;
    }

    for (v = object->child; v != NULL; v = v->next) {
        if (judge_same(v->name, v->name_len, name, strlen(name))) {
            return v;
        }
    }

    return NULL;
}


int
judge_string_is(const judge_value_t *v, const char *text, size_t len)
{
    return v != NULL && v->type == JUDGE_STRING
           && judge_same(v->text, v->len, text, len);
}


int
judge_integer(const judge_value_t *v, int64_t min, int64_t max, int64_t *n)
{
    double  d;

    if (v == NULL || v->type != JUDGE_NUMBER) {
        return 0;
    }

    d = strtod(v->text, NULL);

    if (!(d >= (double) min && d <= (double) max)) {
        return 0;
    }

    *n = (int64_t) d;

    return (double) *n == d;
}


int
judge_number_is(const judge_value_t *v, int64_t n)
{
    char  text[32];

    (void) snprintf(text, sizeof(text), "%" PRId64, n);

    return v != NULL && v->type == JUDGE_NUMBER && strcmp(v->text, text) == 0;
}


/* A member that may be missing: then *n is -1. */

static int
judge_condition(const judge_value_t *v, int64_t *n)
{
    *n = -1;

    return v == NULL || judge_integer(v, 0, INT64_C(9007199254740991), n);
}


judge_verdict_t
judge_command(const judge_value_t *root, judge_command_t *c)
{
    const judge_value_t  *a, *b, *action, *sku, *reference;

    memset(c, 0, sizeof(judge_command_t));

    if (root == NULL) {
        return JUDGE_NOT_JSON;
    }

    if (root->type != JUDGE_OBJECT) {
        return JUDGE_NOT_COMMAND;
    }

    for (a = root->child; a != NULL; a = a->next) {
        for (b = a->next; b != NULL; b = b->next) {
            if (judge_same(a->name, a->name_len, b->name, b->name_len)) {
                return JUDGE_NOT_JSON;
            }
        }
    }

    action = judge_member(root, "action");
    sku = judge_member(root, "sku");
    reference = judge_member(root, "reference");

    if (!judge_string_is(action, "increase", 8)
        && !judge_string_is(action, "decrease", 8))
    {
        c->pointer = "#/action";

    } else if (sku == NULL || sku->type != JUDGE_STRING
               || !judge_sku(sku->text, sku->len))
    {
        c->pointer = "#/sku";

    } else if (!judge_integer(judge_member(root, "qty"), 1,
                              INT64_C(9007199254740991), &c->qty))
    {
        c->pointer = "#/qty";

    } else if (!judge_condition(judge_member(root, "expected_version"),
                                &c->expected_version))
    {
        c->pointer = "#/expected_version";

    } else if (!judge_condition(judge_member(root, "expected_qty"),
                                &c->expected_qty))
    {
        c->pointer = "#/expected_qty";

    } else if (reference != NULL
               && (reference->type != JUDGE_STRING || reference->len > 255))
    {
        c->pointer = "#/reference";

    } else {
        c->reference = reference ? reference->text : NULL;
        c->reference_len = reference ? reference->len : 0;
        c->action = action->text;
        c->sku = sku->text;
        c->sku_len = sku->len;
    }

    return (c->pointer == NULL) ? JUDGE_OK : JUDGE_NOT_COMMAND;
}


int
judge_sku(const char *sku, size_t len)
{
    long    code;
    size_t  i, used;

    if (len == 0 || len >= 256) {
        return 0;
    }

    for (i = 0; i < len; i += used) {
        code = judge_utf8((const unsigned char *) sku + i, len - i, &used);

        if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
            return 0;
        }
    }

    return 1;
}
