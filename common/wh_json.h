/*
 * The one JSON reader and the one JSON writer.
 * Reading is a strict check (RFC 8259, UTF-8, no U+0000) followed by cJSON,
 * which alone accepts far more; writing is measure, then write.
 */

#ifndef WH_JSON_H
#define WH_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "wh_error.h"


#define WH_JSON_MAX_DEPTH  64   /* arrays and objects open at one time */
#define WH_JSON_INT_LEN    20   /* longest int64_t in decimal, with sign */


/*
 * Parses len bytes at text as one JSON text (RFC 8259), which must be UTF-8
 * without a byte order mark, without U+0000 in any form, without lone
 * surrogates, nested at most WH_JSON_MAX_DEPTH deep, followed by nothing but
 * white space.  Numbers are IEEE 754 doubles in valuedouble, infinite past
 * the range.  Duplicate names are not looked for here.
 *
 * WH_OK: *value is the parsed value; the caller frees it with cJSON_Delete().
 * WH_EJSON: err says what is wrong and at which byte.  WH_NOMEM.
 */
int wh_json_parse(const char *text, size_t len, cJSON **value,
    wh_error_t *err);

/*
 * Looks for two members of object with the same decoded name.
 * WH_OK: all names differ.  WH_EJSON, WH_NOMEM.
 */
int wh_json_unique(const cJSON *object, wh_error_t *err);

/*
 * Reads an integer in min..max out of a number, by the rule of RFC 7493 §2.2
 * for interoperable integers: the double must be integral, so 10.0 and 1e1
 * are 10.  max is at most 2^53-1.  WH_OK or WH_ECOMMAND (err untouched).
 */
int wh_json_integer(const cJSON *value, int64_t min, int64_t max,
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
