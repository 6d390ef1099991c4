/*
 * Which outcomes of a slice the database is to keep, and what they are.
 */

#ifndef WH_KEEPING_H
#define WH_KEEPING_H

#include "session/slice.h"
#include "wh_error.h"


/*
 * Has the keeper pack the slice's outcomes, once its notifications have their
 * offsets: those among the last of commands, as far as is known how many lie
 * behind the slice.  What would be forgotten before anybody can ask for it is
 * not kept at all.  WH_OK, WH_NOMEM.
 */
int wh_keeping_pack(wh_slice_t *slice, wh_error_t *err);


#endif
