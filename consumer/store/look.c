#include "store/look.h"
#include "store/files.h"
#include "wh_schema.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>


int
wh_look_beside(const char *path, const char *suffix)
{
    char         file[PATH_MAX];
    struct stat  st;

    return wh_file_name(file, path, suffix, NULL) == WH_OK
           && stat(file, &st) == 0 && st.st_size > 0;
}


int
wh_look_open(sqlite3 **db, const char *file, int alone, wh_error_t *err)
{
    char  uri[WH_LOOK_URI_MAX];

    wh_look_uri(uri, sizeof(uri), file, alone ? "immutable=1"
                                              : "readonly_shm=1");

    if (sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL)
        != SQLITE_OK)
    {
        return wh_schema_fail(*db, "it cannot be opened", err);
    }

    return WH_OK;
}


void
wh_look_uri(char *uri, size_t size, const char *file, const char *how)
{
    int          n;
    const char  *p;

    /* what would come behind two slashes is the name of a machine */

    n = snprintf(uri, size, *file == '/' ? "file://" : "file:");

    for (p = file; *p != '\0' && (size_t) n < size - 64; p++) {
        n += snprintf(uri + n, size - (size_t) n,
                      strchr("%?#", *p) != NULL ? "%%%02X" : "%c", *p);
    }

    (void) snprintf(uri + n, size - (size_t) n, "?mode=ro&%s", how);
}
