/*
 * The files of a database: beside its path lie others, named by a suffix.
 */

#ifndef WH_FILES_H
#define WH_FILES_H

#include "wh_error.h"


/* what lies there besides SQLite's own */
#define WH_FILES_LOCK     ".lock"
#define WH_FILES_METRICS  ".prom"
#define WH_FILES_DAMAGED  ".damaged"    /* one that lost its log */


/*
 * Puts a file's name together; file has room for PATH_MAX bytes.  WH_OK;
 * WH_ERROR: it is too long.
 */
int wh_file_name(char *file, const char *path, const char *suffix,
    wh_error_t *err);

/*
 * Creates an empty file that must not be there: before SQLite does, which would
 * not say why it cannot be made.  WH_OK; WH_AGAIN: no room; WH_ERROR.
 */
int wh_file_create(const char *path, const char *suffix, wh_error_t *err);

/* Removes a file, which may be missing.  WH_OK, WH_ERROR. */
int wh_file_remove(const char *path, const char *suffix, wh_error_t *err);

/* Removes what a rebuild left beside path, which was never anybody's. */
int wh_file_remove_new(const char *path, wh_error_t *err);


#endif
