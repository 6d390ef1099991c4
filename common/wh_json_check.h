/*
 * The strict check in front of cJSON: is this a JSON text, to the letter?
 * One pass over the bytes, no allocation but for the repair named below.
 */

#ifndef WH_JSON_CHECK_H
#define WH_JSON_CHECK_H

#include <stddef.h>

#include "wh_error.h"


/*
 * Checks len bytes at text by the rules of wh_json_parse().
 *
 * cJSON 1.7.15 reads at most 63 bytes of a number and takes the rest for
 * garbage.  Where a longer number occurs, *repaired is a copy of the text
 * (len bytes, freed by the caller with free()) in which each long number is
 * replaced by a short one of the same value, padded with spaces; otherwise
 * *repaired is NULL.
 *
 * WH_OK, WH_EJSON with err filled, WH_NOMEM; *repaired is NULL on failure.
 */
int wh_json_check(const char *text, size_t len, char **repaired,
    wh_error_t *err);


#endif
