#include "doctor/internal.h"
#include "store/files.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>


#define WH_DOCTOR_USER  "www-data"     /* Debian's */


static int wh_doctor_as(const struct passwd *user, const char *file);
static void wh_doctor_child(const struct passwd *user, const char *file);


/*
 * Whether nginx's workers can read the database: a process of their user tries,
 * so that whatever decides about it has its say.
 */

void
wh_doctor_access(wh_doctor_t *d)
{
    int             e, i;
    char            file[PATH_MAX];
    const char     *name;
    struct passwd  *user;

    static const char  *suffixes[] = { "", "-wal", "-shm" };

    name = (d->args->user != NULL) ? d->args->user : WH_DOCTOR_USER;

    if (!d->known) {
        return;
    }

    user = getpwnam(name);

    if (user == NULL) {
        wh_report(d->report, WH_FOUND_WARNING, "access",
                  "name the user of nginx's workers with -u",
                  "there is no user \"%s\"", name);
        return;
    }

    if (geteuid() != 0 && geteuid() != user->pw_uid) {
        wh_report(d->report, WH_FOUND_WARNING, "access",
                  "run doctor as root", "whether user \"%s\" can read the "
                  "database is only to be seen as root", name);
        return;
    }

    for (i = 0; i < 3; i++) {

        if (wh_file_name(file, d->conf->database, suffixes[i], NULL) != WH_OK
            || access(file, F_OK) == -1)
        {
            continue;
        }

        e = wh_doctor_as(user, file);

        if (e != 0) {
            wh_report(d->report, WH_FOUND_ERROR, "access",
                      "the folder has to belong to nginx's group, with the "
                      "set-group-ID bit: README.md, \"Deploying\"; or name "
                      "another user with -u",
                      "user \"%s\" cannot read \"%s\": %s", name, file,
                      strerror(e));
            return;
        }
    }

    wh_report(d->report, WH_FOUND_OK, "access", NULL, "user \"%s\" can read "
              "the database", name);
}


/* Returns the errno of opening file as user; 0: it works. */

static int
wh_doctor_as(const struct passwd *user, const char *file)
{
    int    status;
    pid_t  pid;

    pid = fork();

    if (pid == -1) {
        return errno;
    }

    if (pid == 0) {
        wh_doctor_child(user, file);
    }

    while (waitpid(pid, &status, 0) == -1) {
        if (errno != EINTR) {
            return errno;
        }
    }

    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}


static void
wh_doctor_child(const struct passwd *user, const char *file)
{
    if (geteuid() == 0
        && (initgroups(user->pw_name, user->pw_gid) == -1
            || setgid(user->pw_gid) == -1 || setuid(user->pw_uid) == -1))
    {
        _exit(errno);
    }

    _exit(access(file, R_OK) == 0 ? 0 : errno);
}
