/*
 * Values that lie in files of their own, such as passwords.
 */

#ifndef WH_SECRET_H
#define WH_SECRET_H

#include "wh_error.h"


#define WH_SECRET_MAX  65536     /* bytes */


/*
 * Reads the file at path, without a newline at its end.  *secret is a string
 * that wh_secret_free() frees, and wipes before.  WH_OK, WH_NOMEM; WH_ERROR: it
 * cannot be read, is empty or too long, or has a NUL byte.
 */
int wh_secret_read(char **secret, const char *path, wh_error_t *err);
void wh_secret_free(char *secret);


#endif
