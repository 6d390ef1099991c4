/*
 * The field Prefer (RFC 7240): how long a client wants to wait.
 */

#ifndef WH_PREFER_H
#define WH_PREFER_H

#include <stddef.h>
#include <stdint.h>


/*
 * Looks for "wait" in len bytes of a field's value.  Returns its seconds, past
 * INT32_MAX that; -1: it is not there, or no number.  Of several the first one
 * counts (§2); what is malformed is passed over, as a preference may be.
 */
int32_t wh_prefer_wait(const char *text, size_t len);


#endif
