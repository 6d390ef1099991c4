#include "judge_json.h"

#include <stdlib.h>
#include <string.h>


#define JUDGE_DEPTH  64


typedef struct {
    const unsigned char  *text;
    size_t                len;
    size_t                at;
    int                   depth;
    judge_value_t        *value;        /* the next one that is free */
    char                 *out;          /* where the next text goes */
} judge_reader_t;


static judge_value_t *judge_value(judge_reader_t *r);
static judge_value_t *judge_children(judge_reader_t *r, int close);
static judge_value_t *judge_child(judge_reader_t *r, int named);
static int judge_string(judge_reader_t *r, const char **text, size_t *len);
static long judge_escape(judge_reader_t *r);
static long judge_hex(judge_reader_t *r);
static char *judge_encode(char *out, long code);
static judge_value_t *judge_number(judge_reader_t *r);
static int judge_digits(judge_reader_t *r);
static judge_value_t *judge_word(judge_reader_t *r);


/* The next byte, or -1 at the end. */

static int
judge_peek(const judge_reader_t *r)
{
    return (r->at < r->len) ? r->text[r->at] : -1;
}


static int
judge_take(judge_reader_t *r, int ch)
{
    if (judge_peek(r) != ch) {
        return 0;
    }

    r->at++;

    return 1;
}


static void
judge_space(judge_reader_t *r)
{
    while (judge_take(r, 0x20) || judge_take(r, 0x09) || judge_take(r, 0x0A)
           || judge_take(r, 0x0D))
    {
        /* void */
    }
}


judge_value_t *
judge_json(judge_t *j, const char *text, size_t len)
{
    size_t           i, n;
    judge_value_t   *root;
    judge_reader_t   r;

    /* each value but the first has one of these in front of it */

    for (i = 0, n = 1; i < len; i++) {
        n += (text[i] == ',' || text[i] == ':' || text[i] == '[');
    }

    j->values = calloc(n, sizeof(judge_value_t));
    j->texts = malloc(2 * len + 2);

    if (j->values == NULL || j->texts == NULL) {
        abort();
    }

    memset(&r, 0, sizeof(r));

    r.text = (const unsigned char *) text;
    r.len = len;
    r.value = j->values;
    r.out = j->texts;

    judge_space(&r);
    root = judge_value(&r);
    judge_space(&r);

    return (r.at == len) ? root : NULL;
}


void
judge_free(judge_t *j)
{
    free(j->values);
    free(j->texts);
}


static judge_value_t *
judge_value(judge_reader_t *r)
{
    int             ch;
    judge_value_t  *v;

    ch = judge_peek(r);

    if (ch == '{' || ch == '[') {
        return judge_children(r, ch == '{' ? '}' : ']');
    }

    if (ch == '-' || (ch >= '0' && ch <= '9')) {
        return judge_number(r);
    }

    if (ch != '"') {
        return judge_word(r);
    }

    v = r->value++;
    v->type = JUDGE_STRING;

    return judge_string(r, &v->text, &v->len) ? v : NULL;
}


static judge_value_t *
judge_children(judge_reader_t *r, int close)
{
    judge_value_t  *v, **next;

    v = r->value++;
    v->type = (close == '}') ? JUDGE_OBJECT : JUDGE_ARRAY;
    next = &v->child;

    r->at++;

    if (++r->depth > JUDGE_DEPTH) {
        return NULL;
    }

    judge_space(r);

    if (!judge_take(r, close)) {

        do {
            judge_space(r);

            *next = judge_child(r, close == '}');
            if (*next == NULL) {
                return NULL;
            }

            next = &(*next)->next;
            judge_space(r);

        } while (judge_take(r, ','));

        if (!judge_take(r, close)) {
            return NULL;
        }
    }

    r->depth--;

    return v;
}


static judge_value_t *
judge_child(judge_reader_t *r, int named)
{
    size_t          len;
    const char     *name;
    judge_value_t  *v;

    name = NULL;
    len = 0;

    if (named) {
        if (!judge_string(r, &name, &len)) {
            return NULL;
        }

        judge_space(r);

        if (!judge_take(r, ':')) {
            return NULL;
        }

        judge_space(r);
    }

    v = judge_value(r);

    if (v != NULL) {
        v->name = name;
        v->name_len = len;
    }

    return v;
}


static int
judge_string(judge_reader_t *r, const char **text, size_t *len)
{
    long    code;
    size_t  used;

    *text = r->out;

    if (!judge_take(r, '"')) {
        return 0;
    }

    while (!judge_take(r, '"')) {

        if (judge_take(r, '\\')) {
            code = judge_escape(r);

        } else {
            code = judge_utf8(r->text + r->at, r->len - r->at, &used);
            r->at += used;

            if (code < 0x20) {
                return 0;
            }
        }

        if (code <= 0) {
            return 0;
        }

        r->out = judge_encode(r->out, code);
    }

    *len = (size_t) (r->out - *text);
    *r->out++ = '\0';

    return 1;
}


/* The character that an escape stands for; -1: no escape, or half of one. */

static long
judge_escape(judge_reader_t *r)
{
    int          ch;
    long         high, low;
    const char  *p;

    static const char  letters[] = "\"\\/bfnrt";
    static const char  meaning[] = "\"\\/\b\f\n\r\t";

    ch = judge_peek(r);

    if (ch <= 0) {
        return -1;
    }

    r->at++;

    if (ch != 'u') {
        p = strchr(letters, ch);
        return (p != NULL) ? meaning[p - letters] : -1;
    }

    high = judge_hex(r);

    if (high >= 0xDC00 && high < 0xE000) {
        return -1;
    }

    if (high < 0xD800 || high >= 0xE000) {
        return high;
    }

    if (!judge_take(r, '\\') || !judge_take(r, 'u')) {
        return -1;
    }

    low = judge_hex(r);

    if (low < 0xDC00 || low >= 0xE000) {
        return -1;
    }

    return 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00);
}


static long
judge_hex(judge_reader_t *r)
{
    int          i, ch;
    long         code;
    const char  *p;

    static const char  digits[] = "0123456789abcdefABCDEF";

    for (i = 0, code = 0; i < 4; i++) {
        ch = judge_peek(r);

        p = (ch > 0) ? strchr(digits, ch) : NULL;
        if (p == NULL) {
            return -1;
        }

        code = code * 16 + (p - digits) - (p - digits > 15 ? 6 : 0);
        r->at++;
    }

    return code;
}


long
judge_utf8(const unsigned char *s, size_t left, size_t *used)
{
    long    code;
    size_t  i, n;

    static const long  shortest[] = { 0, 0, 0x80, 0x800, 0x10000 };

    *used = 0;

    if (left == 0) {
        return -1;
    }

    n = (s[0] < 0x80) ? 1 : (s[0] >> 5 == 6) ? 2 : (s[0] >> 4 == 14) ? 3
        : (s[0] >> 3 == 30) ? 4 : 5;

    if (n > 4 || n > left) {
        return -1;
    }

    code = (n == 1) ? s[0] : s[0] & (0x7F >> n);

    for (i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) {
            return -1;
        }

        code = code << 6 | (s[i] & 0x3F);
    }

    if (code < shortest[n] || code > 0x10FFFF || code >> 11 == 0xD800 >> 11) {
        return -1;
    }

    *used = n;

    return code;
}


static char *
judge_encode(char *out, long code)
{
    if (code < 0x80) {
        *out++ = (char) code;
        return out;
    }

    if (code < 0x800) {
        *out++ = (char) (0xC0 | code >> 6);

    } else {

        if (code < 0x10000) {
            *out++ = (char) (0xE0 | code >> 12);

        } else {
            *out++ = (char) (0xF0 | code >> 18);
            *out++ = (char) (0x80 | (code >> 12 & 0x3F));
        }

        *out++ = (char) (0x80 | (code >> 6 & 0x3F));
    }

    *out++ = (char) (0x80 | (code & 0x3F));

    return out;
}


static judge_value_t *
judge_number(judge_reader_t *r)
{
    size_t          start;
    judge_value_t  *v;

    start = r->at;

    (void) judge_take(r, '-');

    if (!judge_take(r, '0') && !judge_digits(r)) {
        return NULL;
    }

    if (judge_take(r, '.') && !judge_digits(r)) {
        return NULL;
    }

    if (judge_take(r, 'e') || judge_take(r, 'E')) {
        (void) (judge_take(r, '+') || judge_take(r, '-'));

        if (!judge_digits(r)) {
            return NULL;
        }
    }

    v = r->value++;
    v->type = JUDGE_NUMBER;
    v->text = r->out;
    v->len = r->at - start;

    memcpy(r->out, r->text + start, v->len);
    r->out += v->len;
    *r->out++ = '\0';

    return v;
}


static int
judge_digits(judge_reader_t *r)
{
    size_t  start;

    start = r->at;

    while (judge_peek(r) >= '0' && judge_peek(r) <= '9') {
        r->at++;
    }

    return r->at > start;
}


static judge_value_t *
judge_word(judge_reader_t *r)
{
    size_t          i, len;
    judge_value_t  *v;

    static const char *const  words[] = { "true", "false", "null" };

    for (i = 0; i < 3; i++) {
        len = strlen(words[i]);

        if (r->len - r->at >= len
            && memcmp(r->text + r->at, words[i], len) == 0)
        {
            r->at += len;
            v = r->value++;
            v->type = JUDGE_WORD;

            return v;
        }
    }

    return NULL;
}
