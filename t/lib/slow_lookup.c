/*
 * For LD_PRELOAD: the name slow.invalid is looked up for 30 seconds, in vain.
 * The file that SLOW_LOOKUP names is created when that begins.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


typedef int (*lookup_pt)(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res);

static char  *flag;


/* nginx gives its workers another environment: this is read before that */

__attribute__((constructor)) static void
slow_lookup_init(void)
{
    const char  *name;

    name = getenv("SLOW_LOOKUP");
    flag = name ? strdup(name) : NULL;
}


int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **res)
{
    int              fd;
    lookup_pt        next;
    struct timespec  left = { 30, 0 };

    if (node != NULL && strcmp(node, "slow.invalid") == 0) {

        if (flag != NULL) {
            fd = open(flag, O_WRONLY | O_CREAT, 0666);
            if (fd != -1) {
                (void) close(fd);
            }
        }

        while (nanosleep(&left, &left) == -1) {
            /* a signal came */
        }

        return EAI_AGAIN;
    }

    next = (lookup_pt) dlsym(RTLD_NEXT, "getaddrinfo");

    return next(node, service, hints, res);
}
