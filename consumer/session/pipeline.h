/*
 * The batch in hand, through SQLite and Kafka: in slices, normally one, each of
 * which is one transaction of both.
 */

#ifndef WH_PIPELINE_H
#define WH_PIPELINE_H

#include "session/handles.h"
#include "wh_error.h"


/*
 * Takes the batch in hand, if there is anything in it, through both commits,
 * and empties the database's log where that is due.
 * WH_OK, WH_AGAIN, WH_ERROR, WH_FENCED, WH_NOMEM.
 */
int wh_pipeline_run(wh_handles_t *handles, wh_error_t *err);


#endif
