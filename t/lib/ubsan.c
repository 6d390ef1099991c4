/*
 * Preloaded into an nginx with sanitizers: notes what libubsan reports in the
 * file of the variable UBSAN_REPORTS, with the process id behind it.  libubsan
 * reads its own options with its first report, and by then nginx has written
 * its title over them.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>


static char  path[1024];


void __ubsan_on_report(void);
void __ubsan_get_current_report_data(const char **kind, const char **message,
    const char **file, unsigned *line, unsigned *column, char **address);


__attribute__((constructor))
static void
ubsan_keep(void)
{
    const char  *value;

    value = getenv("UBSAN_REPORTS");
    (void) snprintf(path, sizeof(path), "%s", value ? value : "");
}


void
__ubsan_on_report(void)
{
    int          fd;
    char         name[1100], *address;
    unsigned     line, column;
    const char  *kind, *message, *file;

    __ubsan_get_current_report_data(&kind, &message, &file, &line, &column,
                                    &address);

    (void) snprintf(name, sizeof(name), "%s.%d", path, (int) getpid());

    fd = open(name, O_WRONLY | O_CREAT | O_APPEND, 0644);

    if (fd != -1) {
        (void) dprintf(fd, "%s:%u:%u: %s: %s\n", file, line, column, kind,
                       message);
        (void) close(fd);
    }
}
