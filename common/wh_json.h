/*
 * The one JSON reader, and the writer of strings and integers; whole texts are
 * written by wh_text.h.  Reading is one strict pass (wh_json_check.h) that notes
 * where the members of the object stand (wh_json_object.h).
 */

#ifndef WH_JSON_H
#define WH_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "wh_error.h"
#include "wh_json_object.h"


#define WH_JSON_INT_LEN    20   /* longest int64_t in decimal, with sign */


/*
 * Parses len bytes at text as one JSON text (RFC 8259), which must be UTF-8
 * without a byte order mark, without U+0000 in any form, without lone
 * surrogates, nested at most WH_JSON_MAX_DEPTH deep, followed by nothing but
 * white space, and an object.  Duplicate names are not looked for here.
 *
 * WH_OK: the object's members point into text; wh_json_free() is due.
 * WH_EJSON: err says what is wrong and at which byte.  WH_ECOMMAND: it is
 * JSON, but no object.  WH_NOMEM.
 */
int wh_json_parse(const char *text, size_t len, wh_object_t *object,
    wh_error_t *err);

/*
 * Copies a string, decoded, to dst, which has room for size bytes, and a NUL
 * behind it; *len is its length in bytes.  WH_OK; WH_ECOMMAND: member is NULL
 * or no string, or there is no room; WH_NOMEM.
 */
int wh_json_text(const wh_member_t *member, char *dst, size_t size,
    size_t *len);

/*
 * Reads an integer in min..max out of a number, by the rule of RFC 7493 §2.2
 * for interoperable integers: read as a double it must be integral, so 10.0
 * and 1e1 are 10.  max is at most 2^53-1.  WH_OK; WH_ECOMMAND: member is NULL,
 * no number, or not such a one.
 */
int wh_json_integer(const wh_member_t *member, int64_t min, int64_t max,
    int64_t *result);

/*
 * Writes len bytes of valid UTF-8 at src as a quoted JSON string to dst.
 * Returns the number of bytes written, or with dst NULL the number needed.
 * No terminating NUL.
 */
size_t wh_json_string(char *dst, const char *src, size_t len);

/*
 * Writes n in decimal to dst, at most WH_JSON_INT_LEN bytes, no NUL.
 * Returns the number of bytes written.
 */
size_t wh_json_int(char *dst, int64_t n);


#endif
