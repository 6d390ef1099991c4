/*
 * Looking at a database without a change to it, or to what lies beside it.
 */

#ifndef WH_LOOK_H
#define WH_LOOK_H

#include <limits.h>
#include <stddef.h>

#include <sqlite3.h>

#include "wh_error.h"


/* Room for a file's name, every byte of it escaped, and how. */
#define WH_LOOK_URI_MAX  (3 * PATH_MAX + 64)


/* The URI by which SQLite opens file read-only, and how: its other parameters. */
void wh_look_uri(char *uri, size_t size, const char *file, const char *how);

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
