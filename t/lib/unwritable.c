/*
 * Preloaded to a program: while the file that UNWRITABLE names is there, each
 * write to a file whose path holds "warehouse.db" fails with the errno that
 * stands in it.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>


static int unwritable(int fd);


static int
unwritable(int fd)
{
    int          flag;
    char         link[64], path[4096], text[16];
    ssize_t      n;
    const char  *name;

    name = getenv("UNWRITABLE");
    if (name == NULL) {
        return 0;
    }

    flag = open(name, O_RDONLY | O_CLOEXEC);
    if (flag == -1) {
        return 0;
    }

    n = read(flag, text, sizeof(text) - 1);
    (void) close(flag);
    if (n <= 0) {
        return 0;
    }

    text[n] = '\0';

    (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0) {
        return 0;
    }

    path[n] = '\0';

    return (strstr(path, "warehouse.db") != NULL) ? atoi(text) : 0;
}


#define UNWRITABLE(name, params, args, fd)                                    \
    ssize_t name params;                                                      \
                                                                              \
    ssize_t                                                                   \
    name params                                                               \
    {                                                                         \
        int              saved, error;                                        \
        static ssize_t (*next) params;                                        \
                                                                              \
        if (next == NULL) {                                                   \
            *(void **) &next = dlsym(RTLD_NEXT, #name);                       \
        }                                                                     \
                                                                              \
        saved = errno;                                                        \
        error = unwritable(fd);                                               \
        errno = saved;                                                        \
                                                                              \
        if (error != 0) {                                                     \
            errno = error;                                                    \
            return -1;                                                        \
        }                                                                     \
                                                                              \
        return next args;                                                     \
    }

UNWRITABLE(write, (int fd, const void *buf, size_t n), (fd, buf, n), fd)
UNWRITABLE(pwrite, (int fd, const void *buf, size_t n, off_t at),
           (fd, buf, n, at), fd)
UNWRITABLE(pwrite64, (int fd, const void *buf, size_t n, off64_t at),
           (fd, buf, n, at), fd)
