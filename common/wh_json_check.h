/*
 * The strict check: is this a JSON text, to the letter?  One pass over the
 * bytes; cJSON, which accepts far more, sees only strings that passed.
 */

#ifndef WH_JSON_CHECK_H
#define WH_JSON_CHECK_H

#include <stddef.h>

#include "wh_error.h"
#include "wh_json_object.h"


#define WH_JSON_MAX_DEPTH  64   /* arrays and objects open at one time */


/*
 * Checks len bytes at text by the rules of wh_json_parse(), and adds the
 * members of the outermost object, if there is one, to object.
 * WH_OK, WH_EJSON with err filled, WH_NOMEM.
 */
int wh_json_check(const char *text, size_t len, wh_object_t *object,
    wh_error_t *err);


#endif
