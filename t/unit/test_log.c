/*
 * The log where it cannot be written: RLIMIT_FSIZE cuts a write anywhere.
 */

#include "unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"


#define UNIT_TEXT  65536


typedef struct {
    char  dir[256];
    char  path[300];
    char  text[UNIT_TEXT];      /* of the log, as unit_read() found it */
} unit_log_t;


static int
unit_setup(void **state)
{
    wh_error_t   err;
    const char  *tmp;
    unit_log_t  *u;

    u = calloc(1, sizeof(unit_log_t));
    assert_non_null(u);

    tmp = getenv("TMPDIR");
    (void) snprintf(u->dir, sizeof(u->dir), "%s/warehouse-unit.XXXXXX",
                    tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(u->dir));
    (void) snprintf(u->path, sizeof(u->path), "%s/log", u->dir);

    (void) signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(wh_log_open(u->path, &err), WH_OK);

    *state = u;

    return 0;
}


static void
unit_limit(rlim_t size)
{
    struct rlimit  limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = (size == RLIM_INFINITY) ? limit.rlim_max : size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}


static int
unit_teardown(void **state)
{
    char         old[320];
    unit_log_t  *u = *state;

    unit_limit(RLIM_INFINITY);

    (void) snprintf(old, sizeof(old), "%s.1", u->path);
    (void) unlink(old);
    (void) unlink(u->path);
    assert_int_equal(rmdir(u->dir), 0);
    free(u);

    return 0;
}


static rlim_t
unit_size(const unit_log_t *u)
{
    struct stat  st;

    assert_int_equal(stat(u->path, &st), 0);

    return (rlim_t) st.st_size;
}


static void
unit_read(unit_log_t *u)
{
    FILE    *file;
    size_t   n;

    file = fopen(u->path, "r");
    assert_non_null(file);
    n = fread(u->text, 1, sizeof(u->text) - 1, file);
    u->text[n] = '\0';
    assert_int_equal(fclose(file), 0);
}


/*
 * Checks that the line which ends in text begins with its own time, right
 * behind the end of another line: "2026-11-22T22:12:01.123Z [info] ".
 */

static void
unit_line(const unit_log_t *u, const char *text)
{
    int          n;
    char         end[256];
    const char  *line, *p;

    (void) snprintf(end, sizeof(end), "] %s\n", text);

    p = strstr(u->text, end);
    if (p == NULL) {
        fail_msg("no line \"%s\" in:\n%s", text, u->text);
        return;
    }

    for (line = p; line > u->text && line[-1] != '\n'; line--) {
        /* void */
    }

    n = 0;
    (void) sscanf(line, "%*4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ [%*[a-z]%n", &n);

    if (n == 0 || line + n != p) {
        fail_msg("\"%s\" has no line of its own:\n%s", text, u->text);
    }
}


/* The sum of all lines about lost bytes, each on a line of its own. */

static size_t
unit_lost(const unit_log_t *u)
{
    int          end;
    char         line[128];
    size_t       n, sum;
    const char  *p;

    sum = 0;

    for (p = u->text; (p = strstr(p, " [warn] ")) != NULL; p++) {
        end = 0;
        (void) sscanf(p, " [warn] %zu bytes of log could not be written%n", &n,
                      &end);

        if (end == 0 || p[end] != '\n') {
            continue;
        }

        (void) snprintf(line, sizeof(line),
                        "%zu bytes of log could not be written", n);
        unit_line(u, line);
        sum += n;
    }

    return sum;
}


static void
unit_no_empty_line(const unit_log_t *u)
{
    assert_int_not_equal(u->text[0], '\n');

    if (strstr(u->text, "\n\n") != NULL) {
        fail_msg("an empty line in:\n%s", u->text);
    }
}


/* One line is cut after n bytes: nothing, a part, all but its end, all. */

static void
test_cut_line(void **state)
{
    size_t       line, n;
    rlim_t       before;
    unit_log_t  *u = *state;

    wh_log(WH_LOG_INFO, "first");
    line = unit_size(u);

    for (n = 0; n <= line; n++) {
        assert_int_equal(truncate(u->path, 0), 0);
        wh_log(WH_LOG_INFO, "begin");
        before = unit_size(u);

        unit_limit(before + n);
        wh_log(WH_LOG_INFO, "12345");
        unit_limit(RLIM_INFINITY);
        wh_log(WH_LOG_INFO, "after");

        unit_read(u);
        unit_line(u, "begin");
        unit_line(u, "after");
        unit_no_empty_line(u);

        if (n == line) {
            unit_line(u, "12345");
            assert_int_equal(unit_lost(u), 0);

        } else {
            /* what is missing, or all of the line */
            assert_in_range(unit_lost(u), line - n, line);
        }
    }
}


/* Lines collected are written at once: a cut goes through their midst. */

static void
test_cut_batch(void **state)
{
    int          i;
    char         text[32];
    size_t       len, lost;
    rlim_t       before;
    unit_log_t  *u = *state;

    wh_log(WH_LOG_INFO, "begin");
    before = unit_size(u);
    len = strlen("2026-11-22T22:12:01.123Z [info] line 00\n");

    for (i = 0; i < 20; i++) {
        (void) snprintf(text, sizeof(text), "line %02d", i);
        wh_log_collect(text, strlen(text));
    }

    unit_limit(before + 10 * len + len / 2);
    wh_log_flush();

    wh_log(WH_LOG_INFO, "lost as well");
    unit_limit(RLIM_INFINITY);
    wh_log(WH_LOG_INFO, "after");

    unit_read(u);
    unit_line(u, "begin");
    unit_line(u, "line 09");
    unit_line(u, "after");
    unit_no_empty_line(u);
    assert_null(strstr(u->text, "line 10"));
    assert_null(strstr(u->text, "lost as well"));

    lost = 10 * len + strlen("2026-11-22T22:12:01.123Z [info] lost as well\n");
    assert_in_range(unit_lost(u), lost - len / 2, lost + 10 * len);

    wh_log(WH_LOG_INFO, "and on");
    unit_read(u);
    unit_line(u, "and on");
    unit_no_empty_line(u);
}


/* The word about what was lost is cut, too. */

static void
test_cut_word(void **state)
{
    size_t       n;
    rlim_t       before;
    unit_log_t  *u = *state;

    for (n = 1; n < 72; n++) {
        assert_int_equal(truncate(u->path, 0), 0);
        wh_log(WH_LOG_INFO, "begin");
        before = unit_size(u);

        unit_limit(before + 5);
        wh_log(WH_LOG_INFO, "cut");

        unit_limit(before + 5 + n);
        wh_log(WH_LOG_INFO, "cut again");

        unit_limit(RLIM_INFINITY);
        wh_log(WH_LOG_INFO, "after");

        unit_read(u);
        unit_line(u, "begin");
        unit_line(u, "after");
        unit_no_empty_line(u);
        assert_int_not_equal(unit_lost(u), 0);
    }
}


/* A log that is opened anew begins with a line, not with the end of one. */

static void
test_reopened(void **state)
{
    char         old[320];
    rlim_t       before;
    unit_log_t  *u = *state;

    wh_log(WH_LOG_INFO, "begin");
    before = unit_size(u);

    unit_limit(before + 5);
    wh_log(WH_LOG_INFO, "cut");
    unit_limit(RLIM_INFINITY);

    (void) snprintf(old, sizeof(old), "%s.1", u->path);
    assert_int_equal(rename(u->path, old), 0);
    wh_log_reopen();
    wh_log(WH_LOG_INFO, "after");

    unit_read(u);
    unit_no_empty_line(u);
    unit_line(u, "after");
    assert_int_not_equal(unit_lost(u), 0);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test_setup_teardown(test_cut_line, unit_setup,
                                        unit_teardown),
        cmocka_unit_test_setup_teardown(test_cut_batch, unit_setup,
                                        unit_teardown),
        cmocka_unit_test_setup_teardown(test_cut_word, unit_setup,
                                        unit_teardown),
        cmocka_unit_test_setup_teardown(test_reopened, unit_setup,
                                        unit_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
