/*
 * A position in the topic commands, as clients see it: PARTITION:OFFSET.
 */

#ifndef WH_POSITION_H
#define WH_POSITION_H

#include <stddef.h>
#include <stdint.h>

#include "wh_error.h"


#define WH_POSITION_LEN  (10 + 1 + 19)    /* characters, at most */


typedef struct {
    int32_t   partition;
    int64_t   offset;
} wh_position_t;


/* Parses len bytes, digits and a colon.  WH_OK; WH_ECOMMAND: it is none. */
int wh_position_parse(wh_position_t *position, const char *text, size_t len);

/* The same for an offset alone. */
int wh_offset_parse(int64_t *offset, const char *text, size_t len);

/* The same for the one behind which to begin: -1 before the first one. */
int wh_offset_behind_parse(int64_t *offset, const char *text, size_t len);

/*
 * Takes the next of several, between commas with blanks around them (RFC 9110
 * §5.6.1), off *len bytes at *text.  WH_OK; WH_NONE: there are no more;
 * WH_ECOMMAND.
 */
int wh_position_next(wh_position_t *position, const char **text, size_t *len);


#endif
