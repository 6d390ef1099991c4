#include "instance.h"
#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>


static int wh_instance_lock(const wh_conf_t *conf, int *fd, wh_error_t *err);
static int wh_instance_pid_file(const char *path, wh_error_t *err);


int
wh_instance_claim(wh_instance_t *instance, const wh_conf_t *conf,
    wh_error_t *err)
{
    int  rc;

    instance->lock = -1;
    instance->pid_file = NULL;

    rc = wh_instance_lock(conf, &instance->lock, err);

    if (rc == WH_OK && *conf->pid_file != '\0') {
        rc = wh_instance_pid_file(conf->pid_file, err);

        if (rc == WH_OK) {
            instance->pid_file = conf->pid_file;
        }
    }

    return rc;
}


void
wh_instance_release(wh_instance_t *instance)
{
    if (instance->pid_file != NULL) {
        (void) unlink(instance->pid_file);
    }

    if (instance->lock != -1) {
        (void) close(instance->lock);
    }
}


static int
wh_instance_lock(const wh_conf_t *conf, int *fd, wh_error_t *err)
{
    char  file[PATH_MAX];

    if (wh_file_name(file, conf->database, WH_FILES_LOCK, err) != WH_OK) {
        return WH_ERROR;
    }

    *fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (*fd == -1) {
        return wh_error_set(err, WH_ERROR, "cannot open \"%s\": %s", file,
                            strerror(errno));
    }

    if (flock(*fd, LOCK_EX | LOCK_NB) == -1) {
        return wh_error_set(err, WH_ERROR, errno == EWOULDBLOCK
                            ? "\"%s\" is locked: another warehouse-consumer "
                              "works on this database"
                            : "cannot lock \"%s\"", file);
    }

    return WH_OK;
}


static int
wh_instance_pid_file(const char *path, wh_error_t *err)
{
    int    n;
    FILE  *file;

    if (*path == '\0') {
        return WH_OK;
    }

    file = fopen(path, "we");
    if (file == NULL) {
        return wh_error_set(err, WH_ERROR, "cannot open \"%s\": %s", path,
                            strerror(errno));
    }

    n = fprintf(file, "%d\n", (int) getpid());

    if (fclose(file) != 0 || n < 0) {
        return wh_error_set(err, WH_ERROR, "cannot write \"%s\": %s", path,
                            strerror(errno));
    }

    return WH_OK;
}
