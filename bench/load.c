/*
 * HTTP requests at a rate, whatever the server does (open loop):
 *     load PORT METHOD PATH CONNECTIONS RATE SECONDS [FIELD]
 * A time counts from when its request was due, also where no connection was
 * free then.  A POST is an increase of one of 1,000 skus, its qty is the time
 * when it was due.  Any answer but 200 ends the program.
 */

#define _GNU_SOURCE

#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>


#define LOAD_EVENTS   256
#define LOAD_SILENCE  30       /* s without an answer */


typedef struct {
    int       fd;
    int64_t   due;             /* of the request under way */
    int64_t   body;            /* bytes of its body to come; -1: not known */
    size_t    len;             /* of the header, so far */
    char      header[4096];
} load_connection_t;


typedef struct {
    int                  epoll;
    const char          *method;
    const char          *path;
    const char          *field;        /* of the header, with its end, or "" */
    int64_t              start;
    int64_t              rate;
    int64_t              count;        /* requests to send */
    int64_t              sent;
    load_connection_t  **idle;
    int                  nidle;
    bench_times_t        times;
} load_t;


static void
load_connect(load_t *l, load_connection_t *c, int port)
{
    int                 on;
    struct epoll_event  ev;

    on = 1;
    ev.events = EPOLLIN;
    ev.data.ptr = c;

    c->fd = bench_connect(port);

    if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1
        || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1)
    {
        bench_die("connect: %s", strerror(errno));
    }

    l->idle[l->nidle++] = c;
}


static int64_t
load_due(const load_t *l)
{
    return l->start + l->sent * 1000000 / l->rate;
}


static void
load_send(load_t *l)
{
    int                 body, n;
    char                text[128], request[1024];
    load_connection_t  *c;

    c = l->idle[--l->nidle];
    c->due = load_due(l);
    c->len = 0;
    c->body = -1;

    if (strcmp(l->method, "POST") == 0) {
        body = snprintf(text, sizeof(text), "{\"action\":\"increase\","
                        "\"sku\":\"SKU%" PRId64 "\",\"qty\":%" PRId64 "}",
                        l->sent % 1000, c->due);
        n = snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\n"
                     "Host: localhost\r\nContent-Type: application/json\r\n"
                     "Content-Length: %d\r\n%s\r\n%s", l->path, body,
                     l->field, text);
    } else {
        n = snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\n"
                     "Host: localhost\r\n%s\r\n", l->method, l->path,
                     l->field);
    }

    if (write(c->fd, request, (size_t) n) != n) {
        bench_die("write: %s", strerror(errno));
    }

    l->sent++;
}


/* Looks for the end of the header; what came behind it is body. */

static void
load_header(load_connection_t *c)
{
    char  *end, *length;

    c->header[c->len] = '\0';

    end = strstr(c->header, "\r\n\r\n");
    if (end == NULL) {
        if (c->len == sizeof(c->header) - 1) {
            bench_die("the header is too long");
        }

        return;
    }

    length = strcasestr(c->header, "\r\nContent-Length: ");

    if (strncmp(c->header, "HTTP/1.1 200 ", 13) != 0 || length == NULL) {
        bench_die("%s", c->header);
    }

    c->body = strtoll(length + 18, NULL, 10)
              - (int64_t) (c->len - (size_t) (end + 4 - c->header));
}


static void
load_read(load_t *l, load_connection_t *c)
{
    ssize_t      n;
    static char  body[1 << 20];

    if (c->body == -1) {
        n = read(c->fd, c->header + c->len, sizeof(c->header) - 1 - c->len);
    } else {
        n = read(c->fd, body, sizeof(body));
    }

    if (n <= 0) {
        bench_die("read: %s", n == 0 ? "closed" : strerror(errno));
    }

    if (c->body == -1) {
        c->len += (size_t) n;
        load_header(c);
    } else {
        c->body -= n;
    }

    if (c->body == 0) {
        bench_times_add(&l->times, bench_clock() - c->due);
        l->idle[l->nidle++] = c;
    }
}


static void
load_run(load_t *l)
{
    int                 i, n;
    int64_t             now, wait;
    struct timespec     timeout;
    struct epoll_event  events[LOAD_EVENTS];

    l->start = bench_clock() + 10000;

    while ((int64_t) l->times.count < l->count) {

        now = bench_clock();

        while (l->sent < l->count && l->nidle > 0 && load_due(l) <= now) {
            load_send(l);
        }

        wait = (int64_t) LOAD_SILENCE * 1000000;

        if (l->sent < l->count && l->nidle > 0) {
            wait = load_due(l) - bench_clock();
            wait = (wait > BENCH_TICK) ? wait : BENCH_TICK;
        }

        timeout.tv_sec = wait / 1000000;
        timeout.tv_nsec = wait % 1000000 * 1000;

        n = epoll_pwait2(l->epoll, events, LOAD_EVENTS, &timeout, NULL);

        if (n == -1 && errno != EINTR) {
            bench_die("epoll: %s", strerror(errno));
        }

        if (n == 0 && timeout.tv_sec == LOAD_SILENCE) {
            bench_die("no answer for %d s", LOAD_SILENCE);
        }

        for (i = 0; i < n; i++) {
            load_read(l, events[i].data.ptr);
        }
    }
}


int
main(int argc, char **argv)
{
    int                 i, connections;
    char                field[256];
    static load_t       load;
    load_connection_t  *all;

    if (argc != 7 && argc != 8) {
        bench_die("usage: load PORT METHOD PATH CONNECTIONS RATE SECONDS "
                  "[FIELD]");
    }

    (void) snprintf(field, sizeof(field), argc == 8 ? "%s\r\n" : "",
                    argc == 8 ? argv[7] : "");

    connections = (int) bench_number(argv[4], 1);

    load.method = argv[2];
    load.path = argv[3];
    load.field = field;
    load.rate = bench_number(argv[5], 1);
    load.count = load.rate * bench_number(argv[6], 1);
    load.epoll = epoll_create1(0);
    load.idle = calloc((size_t) connections, sizeof(load_connection_t *));
    all = calloc((size_t) connections, sizeof(load_connection_t));

    if (load.epoll == -1 || load.idle == NULL || all == NULL) {
        bench_die("%s", strerror(errno));
    }

    prctl(PR_SET_TIMERSLACK, 1);

    for (i = 0; i < connections; i++) {
        load_connect(&load, &all[i], (int) bench_number(argv[1], 1));
    }

    load_run(&load);
    bench_times_print(&load.times);

    return 0;
}
