/*
 * Whether a database is whole, for whoever has it open.
 */

#ifndef WH_CHECK_H
#define WH_CHECK_H

#include <sqlite3.h>

#include "wh_error.h"


/*
 * Looks at every page; takes as long as reading the file.  WH_OK; WH_ERROR:
 * damaged, or it cannot be read; WH_AGAIN: interrupted, or locked; WH_NOMEM.
 */
int wh_store_check_pages(sqlite3 *db, wh_error_t *err);


#endif
