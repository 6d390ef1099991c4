/*
 * What session.c (handles, assignments) and poll.c (messages)
 * share.
 */

#ifndef WH_SESSION_INT_H
#define WH_SESSION_INT_H

#include "session/session.h"


/* Empties what was polled. */
void wh_session_clear(wh_polled_t *polled);

/* Forgets the group metadata that the last batch used. */
void wh_session_release(wh_session_t *session);

/*
 * Takes up the assignment that is due: recovers, and begins to read.
 * WH_OK, WH_AGAIN, WH_ERROR, WH_NOMEM.
 */
int wh_session_assign(wh_session_t *session, wh_error_t *err);


#endif
