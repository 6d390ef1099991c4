/*
 * Following the topic notifications up to an offset.
 */

#ifndef WH_CATCH_UP_H
#define WH_CATCH_UP_H

#include <stdint.h>

#include "follow/follow.h"
#include "wh_error.h"


/*
 * Reads until high.  An open transaction of somebody else holds readers back
 * below it: then this waits until that one ends.  WH_OK; WH_AGAIN: nothing comes
 * for a minute, or the process was asked to stop; as wh_follow_step().
 */
int wh_catch_up(wh_follow_t *follow, int64_t high, wh_error_t *err);


#endif
