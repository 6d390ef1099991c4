#include "doctor/internal.h"
#include "kafka/client.h"
#include "store/files.h"
#include "wh_schema.h"
#include "wh_version.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <time.h>

#include <sqlite3.h>


#define WH_DOCTOR_STALE  10        /* s after which the metrics are old */
#define WH_DOCTOR_MIB    1048576   /* bytes */


static void wh_doctor_configuration(wh_doctor_t *d);
static int wh_doctor_open_to_all(wh_doctor_t *d, const wh_property_t *p);
static void wh_doctor_daemon(wh_doctor_t *d);
static int wh_doctor_fresh(wh_doctor_t *d);
static int wh_doctor_locked(const char *file);
static void wh_doctor_state(wh_doctor_t *d, int pid);
static void wh_doctor_disk(wh_doctor_t *d);
static void wh_doctor_clock(wh_doctor_t *d);


void
wh_doctor_host(wh_doctor_t *d)
{
    wh_report(d->report, WH_FOUND_OK, "versions", NULL,
              "warehouse-consumer %s, database schema %d, librdkafka %s, "
              "SQLite %s", WH_VERSION, WH_SCHEMA_VERSION,
              rd_kafka_version_str(), sqlite3_libversion());

    wh_doctor_configuration(d);
    wh_doctor_daemon(d);
    wh_doctor_disk(d);
    wh_doctor_clock(d);
}


/*
 * It was read and checked already, but for what is handed to librdkafka: files
 * with secrets may be for the daemon alone.
 */

static void
wh_doctor_configuration(wh_doctor_t *d)
{
    size_t       i;
    wh_error_t   err;

    if (wh_client_check(d->conf, &err) != WH_OK) {
        d->unusable = 1;
        wh_report(d->report, WH_FOUND_ERROR, "configuration",
                  strstr(err.text, "/credentials/") != NULL
                  ? "systemd shows it to the unit alone: name another file "
                    "with the key as an argument"
                  : NULL, "%s", err.text);
        return;
    }

    for (i = 0; i < d->conf->nproperties; i++) {
        if (wh_doctor_open_to_all(d, &d->conf->properties[i])) {
            return;
        }
    }

    if (d->args->file != NULL) {
        wh_report(d->report, WH_FOUND_OK, "configuration", NULL, "\"%s\"",
                  d->args->file);

    } else {
        wh_report(d->report, WH_FOUND_OK, "configuration", NULL,
                  "no file, only arguments");
    }
}


/* Reports a secret that every user can read. */

static int
wh_doctor_open_to_all(wh_doctor_t *d, const wh_property_t *p)
{
    char         key[256];
    const char  *file;
    struct stat  st;

    (void) snprintf(key, sizeof(key), "kafka.%s", p->name);

    file = p->file ? p->value : d->args->file;

    if (!wh_conf_secret(key) || file == NULL || stat(file, &st) == -1
        || !(st.st_mode & S_IROTH))
    {
        return 0;
    }

    wh_report(d->report, WH_FOUND_WARNING, "configuration",
              p->file ? "chmod o-r"
                      : "chmod o-r, or a file of its own for the secret",
              "\"%s\" has \"%s\", and every user can read it", file, key);

    return 1;
}


static void
wh_doctor_daemon(wh_doctor_t *d)
{
    int   pid;
    char  file[PATH_MAX];

    if (wh_file_name(file, d->conf->database, WH_FILES_LOCK, NULL) != WH_OK) {
        wh_report(d->report, WH_FOUND_ERROR, "database", NULL,
                  "the path \"%s\" is too long", d->conf->database);
        return;
    }

    pid = wh_doctor_running(d);
    d->running = (pid > 0);
    d->fresh = wh_doctor_fresh(d);

    if (!d->running && d->fresh) {
        wh_report(d->report, WH_FOUND_WARNING, "daemon",
                  "run doctor where it runs; or start it again",
                  "none is seen here, and one wrote its metrics just now: it "
                  "is in another container, or was killed");
        return;
    }

    if (!d->running) {
        wh_report(d->report, WH_FOUND_WARNING, "daemon",
                  "systemctl start warehouse-consumer",
                  "none works on this database");
        return;
    }

    wh_doctor_state(d, pid);
}


int
wh_doctor_running(const wh_doctor_t *d)
{
    char  file[PATH_MAX];

    return wh_file_name(file, d->conf->database, WH_FILES_LOCK, NULL) == WH_OK
           ? wh_doctor_locked(file) : 0;
}


static int
wh_doctor_fresh(wh_doctor_t *d)
{
    char         file[PATH_MAX];
    struct stat  st;

    return wh_file_name(file, d->conf->database, WH_FILES_METRICS, NULL)
           == WH_OK
           && stat(file, &st) == 0
           && time(NULL) - st.st_mtime <= WH_DOCTOR_STALE;
}


/*
 * The process that has locked a file, 0: none.  To try to lock it would be in
 * the way of a daemon that starts.
 */

static int
wh_doctor_locked(const char *file)
{
    int                 pid, found;
    char                line[256];
    FILE               *locks;
    unsigned            major, minor;
    struct stat         st;
    unsigned long long  ino;

    if (stat(file, &st) == -1) {
        return 0;
    }

    locks = fopen("/proc/locks", "re");
    if (locks == NULL) {
        return 0;
    }

    found = 0;

    while (found == 0 && fgets(line, sizeof(line), locks) != NULL) {
        if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major,
                   &minor, &ino)
            == 4
            && ino == st.st_ino && major == major(st.st_dev)
            && minor == minor(st.st_dev))
        {
            found = pid;
        }
    }

    (void) fclose(locks);

    return found;
}


/* By what it tells of itself each second. */

static void
wh_doctor_state(wh_doctor_t *d, int pid)
{
    long         age;
    char         file[PATH_MAX], line[256], state[32];
    FILE        *metrics;
    struct stat  st;

    (void) wh_file_name(file, d->conf->database, WH_FILES_METRICS, NULL);

    metrics = fopen(file, "re");

    if (metrics == NULL || fstat(fileno(metrics), &st) == -1) {
        wh_report(d->report, WH_FOUND_WARNING, "daemon", "look at its log",
                  "process %d runs, and its metrics cannot be read: \"%s\": "
                  "%s", pid, file, strerror(errno));

        if (metrics != NULL) {
            (void) fclose(metrics);
        }

        return;
    }

    age = (long) (time(NULL) - st.st_mtime);
    strcpy(state, "unknown");

    while (fgets(line, sizeof(line), metrics) != NULL) {
        if (sscanf(line, "warehouse_consumer_state{state=\"%31[a-z]\"} 1",
                   state)
            == 1
            && strstr(line, "} 1") != NULL)
        {
            break;
        }
    }

    (void) fclose(metrics);

    if (age > WH_DOCTOR_STALE) {
        wh_report(d->report, WH_FOUND_ERROR, "daemon",
                  "look at its log; restart it if it says nothing",
                  "process %d has told nothing of itself for %ld s", pid, age);

    } else {
        wh_report(d->report, strcmp(state, "waiting") == 0 ? WH_FOUND_WARNING
                                                           : WH_FOUND_OK,
                  "daemon", strcmp(state, "waiting") == 0
                            ? "what it waits for is in its log" : NULL,
                  "process %d, state \"%s\"", pid, state);
    }
}


/* A rebuild has a second database beside the first. */

static void
wh_doctor_disk(wh_doctor_t *d)
{
    char            file[PATH_MAX], *slash;
    int64_t         size, left;
    struct stat     st;
    struct statvfs  fs;

    if (wh_file_name(file, d->conf->database, "", NULL) != WH_OK) {
        return;
    }

    size = (stat(file, &st) == 0) ? st.st_size : 0;

    slash = strrchr(file, '/');

    if (slash == NULL) {
        strcpy(file, ".");

    } else {
        slash[slash == file] = '\0';
    }

    if (statvfs(file, &fs) == -1) {
        wh_report(d->report, WH_FOUND_ERROR, "disk",
                  "README.md, \"Deploying\", says how to make it",
                  "the folder \"%s\": %s", file, strerror(errno));
        return;
    }

    left = (int64_t) fs.f_bavail * (int64_t) fs.f_frsize;

    if (left < d->conf->wal_limit || (fs.f_files > 0 && fs.f_favail < 16)) {
        wh_report(d->report, WH_FOUND_ERROR, "disk", "make room",
                  "%" PRId64 " MiB and %llu files are left in \"%s\", less "
                  "than the write-ahead log may take (wal_limit)",
                  left / WH_DOCTOR_MIB, (unsigned long long) fs.f_favail,
                  file);

    } else if (left < d->conf->wal_limit + size) {
        wh_report(d->report, WH_FOUND_WARNING, "disk", "make room",
                  "%" PRId64 " MiB are left in \"%s\": a rebuild needs %"
                  PRId64 " beside the database", left / WH_DOCTOR_MIB, file,
                  (d->conf->wal_limit + size) / WH_DOCTOR_MIB);

    } else {
        wh_report(d->report, WH_FOUND_OK, "disk", NULL, "%" PRId64 " MiB are "
                  "left in \"%s\"", left / WH_DOCTOR_MIB, file);
    }
}


/* Idempotency keys are compared by the times that producers give. */

static void
wh_doctor_clock(wh_doctor_t *d)
{
    int           state;
    struct timex  t;

    memset(&t, 0, sizeof(t));

    state = ntp_adjtime(&t);

    if (state == -1) {
        wh_report(d->report, WH_FOUND_WARNING, "clock", NULL,
                  "the kernel cannot be asked: %s", strerror(errno));

    } else if (state == TIME_ERROR || (t.status & STA_UNSYNC)) {
        wh_report(d->report, WH_FOUND_WARNING, "clock",
                  "run a time service such as chrony; in a container, see to "
                  "the machine's",
                  "the kernel does not know it to be synchronized");

    } else {
        wh_report(d->report, WH_FOUND_OK, "clock", NULL, "synchronized, with "
                  "an error of at most %ld ms", t.maxerror / 1000);
    }
}
