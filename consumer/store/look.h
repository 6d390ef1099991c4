/*
 * Looking at a database without a change to it, or to what lies beside it.
 */

#ifndef WH_LOOK_H
#define WH_LOOK_H

#include <sqlite3.h>

#include "wh_error.h"


/* Whether the file beside path is there, and has something in it. */
int wh_look_beside(const char *path, const char *suffix);

/*
 * Opens file read-only; SQLite then writes nothing, not even its -shm.  alone:
 * the file is all there is, without a log, and nobody changes it; otherwise its
 * -shm has to be there.  WH_OK; as wh_schema_fail().  The caller closes *db, also
 * after a failure.
 */
int wh_look_open(sqlite3 **db, const char *file, int alone, wh_error_t *err);


#endif
