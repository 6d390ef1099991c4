/*
 * The lines of a batch: NDJSON, each a JSON text, ended by LF; the last one may
 * have none.
 */

#ifndef WH_NDJSON_H
#define WH_NDJSON_H

#include <stddef.h>


/*
 * Takes the next line off len bytes at *text: what is before the LF, which may
 * be nothing.  WH_OK; WH_NONE: there is no other.
 */
int wh_ndjson_next(const char **line, size_t *line_len, const char **text,
    size_t *len);


#endif
