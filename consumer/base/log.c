#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>


#define WH_LOG_LINE    2048
#define WH_LOG_PREFIX  48
#define WH_LOG_ROOM    (8 * 1024 * 1024)    /* bytes collected at most */


typedef struct {
    const char  *path;          /* NULL: stderr */
    int          fd;
    char        *buf;           /* lines collected */
    size_t       len;
    size_t       size;
    size_t       prefix;        /* bytes in front of the first of them */
    size_t       lost;          /* bytes that could not be written */
    int          cut;           /* the last line has no end */
} wh_log_file_t;


/* one process, one log: like stderr itself, known everywhere */
static wh_log_file_t  wh_log_file = { .fd = STDERR_FILENO };

static const char  *wh_log_levels[] = { "error", "warn", "notice", "info" };


/* librdkafka's threads log too */
static pthread_mutex_t  wh_log_mutex = PTHREAD_MUTEX_INITIALIZER;


static size_t wh_log_prefix(char *dst, wh_log_level_t level);
static void wh_log_write(const char *p, size_t len);
static int wh_log_write_all(const char *p, size_t len);


int
wh_log_open(const char *path, wh_error_t *err)
{
    int  fd;

    if (strcmp(path, "stderr") == 0) {
        return WH_OK;
    }

    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd == -1) {
        return wh_error_set(err, WH_ERROR, "cannot open the log \"%s\": %s",
                            path, strerror(errno));
    }

    wh_log_file.path = path;
    wh_log_file.fd = fd;

    return WH_OK;
}


void
wh_log_reopen(void)
{
    int          fd;
    struct stat  st;

    if (wh_log_file.path == NULL) {
        return;
    }

    fd = open(wh_log_file.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
              0640);
    if (fd == -1) {
        wh_log(WH_LOG_ERROR, "cannot reopen the log \"%s\": %s",
               wh_log_file.path, strerror(errno));
        return;
    }

    (void) pthread_mutex_lock(&wh_log_mutex);

    (void) close(wh_log_file.fd);
    wh_log_file.fd = fd;

    /* a new file, unless nobody has moved the old one away */

    if (fstat(fd, &st) == 0 && st.st_size == 0) {
        wh_log_file.cut = 0;
    }

    (void) pthread_mutex_unlock(&wh_log_mutex);
}


void
wh_log(wh_log_level_t level, const char *fmt, ...)
{
    int      n;
    char     line[WH_LOG_LINE];
    size_t   len, room;
    va_list  args;

    (void) pthread_mutex_lock(&wh_log_mutex);

    len = wh_log_prefix(line, level);
    room = sizeof(line) - len - 1;

    va_start(args, fmt);
    n = vsnprintf(line + len, room, fmt, args);
    va_end(args);

    if (n > 0) {
        len += ((size_t) n < room) ? (size_t) n : room - 1;
    }

    line[len++] = '\n';

    wh_log_write(line, len);

    (void) pthread_mutex_unlock(&wh_log_mutex);
}


int
wh_log_collect(const char *line, size_t len)
{
    char    *buf;
    size_t   size;

    size = wh_log_file.len + WH_LOG_PREFIX + len + 1;

    if (size > WH_LOG_ROOM && wh_log_file.len > 0) {
        return WH_AGAIN;
    }

    if (size > wh_log_file.size) {
        size *= 2;

        buf = realloc(wh_log_file.buf, size);

        if (buf == NULL && wh_log_file.len > 0) {
            return WH_AGAIN;
        }

        if (buf == NULL) {
            (void) pthread_mutex_lock(&wh_log_mutex);
            wh_log_file.lost += len;
            (void) pthread_mutex_unlock(&wh_log_mutex);
            return WH_OK;
        }

        wh_log_file.buf = buf;
        wh_log_file.size = size;
    }

    buf = wh_log_file.buf + wh_log_file.len;

    /* those that are written together have the time of the first */

    if (wh_log_file.len == 0) {
        (void) pthread_mutex_lock(&wh_log_mutex);
        wh_log_file.prefix = wh_log_prefix(buf, WH_LOG_INFO);
        (void) pthread_mutex_unlock(&wh_log_mutex);

    } else {
        memcpy(buf, wh_log_file.buf, wh_log_file.prefix);
    }

    size = wh_log_file.prefix;
    memcpy(buf + size, line, len);
    buf[size + len] = '\n';

    wh_log_file.len += size + len + 1;

    return WH_OK;
}


void
wh_log_flush(void)
{
    if (wh_log_file.len > 0) {
        (void) pthread_mutex_lock(&wh_log_mutex);
        wh_log_write(wh_log_file.buf, wh_log_file.len);
        (void) pthread_mutex_unlock(&wh_log_mutex);

        wh_log_file.len = 0;
    }
}


void
wh_log_discard(void)
{
    wh_log_file.len = 0;
}


int
wh_log_fd(void)
{
    return wh_log_file.fd;
}


/*
 * Writes the time and the level, "2026-11-22T22:12:01.123Z [info] ": fewer
 * than WH_LOG_PREFIX bytes.  Returns how many.
 */

static size_t
wh_log_prefix(char *dst, wh_log_level_t level)
{
    int               i;
    char             *p;
    long              ms;
    struct tm         tm;
    struct timespec   now;
    static time_t     second;
    static char       text[24];

    if (clock_gettime(CLOCK_REALTIME, &now) == -1) {
        now.tv_sec = 0;
        now.tv_nsec = 0;
    }

    if (now.tv_sec != second || text[0] == '\0') {
        second = now.tv_sec;

        if (gmtime_r(&second, &tm) == NULL
            || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        {
            text[0] = '\0';
        }
    }

    ms = now.tv_nsec / 1000000;

    p = stpcpy(dst, text);
    *p++ = '.';

    for (i = 100; i > 0; i /= 10) {
        *p++ = (char) ('0' + ms / i % 10);
    }

    p = stpcpy(p, "Z [");
    p = stpcpy(p, wh_log_levels[level]);
    p = stpcpy(p, "] ");

    return (size_t) (p - dst);
}


/*
 * A log that cannot be written does not stop the ledger: what is lost is
 * counted, and reported as soon as a line gets through again.
 */

static void
wh_log_write(const char *p, size_t len)
{
    char    line[128];
    size_t  n;

    if (wh_log_file.lost > 0) {
        n = wh_log_prefix(line, WH_LOG_WARN);
        n += (size_t) snprintf(line + n, sizeof(line) - n,
                               "%zu bytes of log could not be written\n",
                               wh_log_file.lost);

        if (wh_log_write_all(line, n) == WH_OK) {
            wh_log_file.lost = 0;
        }
    }

    if (wh_log_file.lost > 0 || wh_log_write_all(p, len) != WH_OK) {
        wh_log_file.lost += len;
    }
}


/* What is written behind a line that was cut begins a line of its own. */

static int
wh_log_write_all(const char *p, size_t len)
{
    ssize_t  n;

    if (wh_log_file.cut) {
        if (write(wh_log_file.fd, "\n", 1) != 1) {
            return WH_ERROR;
        }

        wh_log_file.cut = 0;
    }

    while (len > 0) {
        n = write(wh_log_file.fd, p, len);

        if (n == -1) {
            if (errno == EINTR) {
                continue;
            }

            return WH_ERROR;
        }

        p += n;
        len -= (size_t) n;
        wh_log_file.cut = (p[-1] != '\n');
    }

    return WH_OK;
}
