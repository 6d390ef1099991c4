#include "wh_text.h"
#include "wh_json.h"

#include <string.h>


#define WH_TEXT_ESCAPED  6       /* bytes that one byte takes at most: \u001f */


static size_t wh_text_room(const wh_text_t *text);


void
wh_text_init(wh_text_t *t, char *buf, size_t size)
{
    t->start = buf;
    t->pos = buf;
    t->end = buf + size;
    t->full = 0;
}


size_t
wh_text_len(const wh_text_t *t)
{
    return (size_t) (t->pos - t->start);
}


static size_t
wh_text_room(const wh_text_t *t)
{
    return t->full ? 0 : (size_t) (t->end - t->pos);
}


void
wh_text_put(wh_text_t *t, const char *string)
{
    wh_text_add(t, string, strlen(string));
}


void
wh_text_add(wh_text_t *t, const char *data, size_t len)
{
    if (len > wh_text_room(t)) {
        t->full = 1;
        return;
    }

    memcpy(t->pos, data, len);
    t->pos += len;
}


void
wh_text_int(wh_text_t *t, int64_t n)
{
    char  digits[WH_JSON_INT_LEN];

    if (wh_text_room(t) >= WH_JSON_INT_LEN) {
        t->pos += wh_json_int(t->pos, n);

    } else {
        wh_text_add(t, digits, wh_json_int(digits, n));
    }
}


void
wh_text_string(wh_text_t *t, const char *data, size_t len)
{
    size_t  room;

    room = wh_text_room(t);

    /* measured only where it may not fit */

    if (len > (room - 2) / WH_TEXT_ESCAPED || room < 2) {

        if (wh_json_string(NULL, data, len) > room) {
            t->full = 1;
            return;
        }
    }

    t->pos += wh_json_string(t->pos, data, len);
}
