#include "wh_ndjson.h"
#include "wh_error.h"

#include <string.h>


int
wh_ndjson_next(const char **line, size_t *line_len, const char **text,
    size_t *len)
{
    size_t       taken;
    const char  *end;

    if (*len == 0) {
        return WH_NONE;
    }

    end = memchr(*text, '\n', *len);
    taken = (end != NULL) ? (size_t) (end - *text) + 1 : *len;

    *line = *text;
    *line_len = taken - (end != NULL);

    *text += taken;
    *len -= taken;

    return WH_OK;
}
