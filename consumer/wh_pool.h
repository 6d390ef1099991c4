/*
 * Memory for cJSON: what the fields of one command take comes from a buffer,
 * which is used again once all of it has been freed.
 */

#ifndef WH_POOL_H
#define WH_POOL_H

/* Has cJSON use it, in this process; one thread may. */
void wh_pool_init(void);

#endif
