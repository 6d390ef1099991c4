#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


int
wh_file_name(char *file, const char *path, const char *suffix,
    wh_error_t *err)
{
    int  n;

    n = snprintf(file, PATH_MAX, "%s%s", path, suffix);

    if (n < 0 || n >= PATH_MAX) {
        return wh_error_set(err, WH_ERROR, "the path \"%s\" is too long", path);
    }

    return WH_OK;
}


/* What is beside the path was never anybody's database. */

int
wh_file_remove_new(const char *path, wh_error_t *err)
{
    if (wh_file_remove(path, ".new", err) != WH_OK
        || wh_file_remove(path, ".new-wal", err) != WH_OK
        || wh_file_remove(path, ".new-shm", err) != WH_OK)
    {
        return WH_ERROR;
    }

    return WH_OK;
}


int
wh_file_remove(const char *path, const char *suffix, wh_error_t *err)
{
    char  file[PATH_MAX];

    if (wh_file_name(file, path, suffix, err) != WH_OK) {
        return WH_ERROR;
    }

    if (unlink(file) == -1 && errno != ENOENT) {
        return wh_error_set(err, WH_ERROR, "cannot remove \"%s\": %s", file,
                            strerror(errno));
    }

    return WH_OK;
}


/* Before SQLite does, which would not say why it cannot be made. */

int
wh_file_create(const char *path, const char *suffix, wh_error_t *err)
{
    int   fd;
    char  file[PATH_MAX];

    if (wh_file_name(file, path, suffix, err) != WH_OK) {
        return WH_ERROR;
    }

    fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd == -1) {
        return wh_error_set(err, (errno == ENOSPC || errno == EDQUOT)
                            ? WH_AGAIN : WH_ERROR, "cannot create \"%s\": %s",
                            file, strerror(errno));
    }

    /* nobody can have locks on it yet, which this would drop */
    (void) close(fd);

    return WH_OK;
}
