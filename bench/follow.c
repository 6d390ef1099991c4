/*
 * Clients that follow the notifications:
 *     follow PORT CLIENTS SKUS EVENTS
 * With SKUS each follows one of SKU0, SKU1, ..., otherwise all.  Prints "ready"
 * when all streams have begun, and when they have got so many events in all
 * {"events":…,"closed":…,"last":…}: connections that were closed, and the time of
 * the last event, CLOCK_MONOTONIC in us.
 */

#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>


#define FOLLOW_SILENCE  60000    /* ms without anything */


typedef struct {
    int   fd;
    int   begun;
    char  last[8];           /* the last bytes that were read */
} follow_t;


static void
follow_connect(follow_t *f, int epoll, int port, int sku)
{
    int                 n;
    char                request[256], query[32];
    struct epoll_event  ev;

    query[0] = '\0';

    if (sku >= 0) {
        (void) snprintf(query, sizeof(query), "?sku=SKU%d", sku);
    }

    n = snprintf(request, sizeof(request), "GET /notifications%s HTTP/1.1\r\n"
                 "Host: localhost\r\n\r\n", query);

    f->fd = bench_connect(port);

    if (write(f->fd, request, (size_t) n) != n) {
        bench_die("write: %s", strerror(errno));
    }

    ev.events = EPOLLIN;
    ev.data.ptr = f;

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, f->fd, &ev) == -1) {
        bench_die("epoll_ctl: %s", strerror(errno));
    }
}


/* How often a line "data: {" begins in what was read, with what came before. */

static int64_t
follow_count(follow_t *f, const char *data, size_t len)
{
    char         text[65536 + sizeof(f->last)];
    size_t       before;
    int64_t      n;
    const char  *p;

    before = strlen(f->last);
    memcpy(text, f->last, before);
    memcpy(text + before, data, len);
    len += before;
    text[len] = '\0';

    n = 0;

    for (p = text; (p = strstr(p, "\ndata: {")) != NULL; p += 8) {
        n++;
    }

    /* less than what is looked for, so that none is counted twice */

    before = (len < 7) ? len : 7;
    memcpy(f->last, text + len - before, before);
    f->last[before] = '\0';

    return n;
}


int
main(int argc, char **argv)
{
    int                  i, n, epoll, clients, skus, begun, closed;
    char                 buf[65536];
    int64_t              events, wanted;
    ssize_t              len;
    follow_t            *all, *f;
    struct epoll_event   ready[256];

    if (argc != 5) {
        bench_die("usage: follow PORT CLIENTS SKUS EVENTS");
    }

    clients = (int) bench_number(argv[2], 1);
    skus = (int) bench_number(argv[3], 0);
    wanted = bench_number(argv[4], 1);
    epoll = epoll_create1(0);
    all = calloc((size_t) clients, sizeof(follow_t));

    if (epoll == -1 || all == NULL) {
        bench_die("%s", strerror(errno));
    }

    for (i = 0; i < clients; i++) {
        follow_connect(&all[i], epoll, (int) bench_number(argv[1], 1),
                       skus ? i % skus : -1);
    }

    begun = 0;
    closed = 0;

    for (events = 0; events < wanted && closed < clients; /* void */) {

        n = epoll_wait(epoll, ready, 256, FOLLOW_SILENCE);

        if (n <= 0) {
            bench_die("%" PRId64 " events, then nothing", events);
        }

        for (i = 0; i < n; i++) {
            f = ready[i].data.ptr;
            len = read(f->fd, buf, sizeof(buf));

            if (len <= 0) {
                closed++;
                (void) close(f->fd);
                continue;
            }

            if (!f->begun) {
                f->begun = 1;

                if (memcmp(buf, "HTTP/1.1 200", 12) != 0) {
                    bench_die("%.100s", buf);
                }

                if (++begun == clients) {
                    puts("ready");
                    (void) fflush(stdout);
                }
            }

            events += follow_count(f, buf, (size_t) len);
        }
    }

    printf("{\"events\":%" PRId64 ",\"closed\":%d,\"last\":%" PRId64 "}\n",
           events, closed, bench_clock());

    return 0;
}
