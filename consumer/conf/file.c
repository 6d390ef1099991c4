#include "conf/conf.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>


/* the parser's own limit (INI_MAX_LINE), less the newline and the NUL */
#define WH_CONF_FILE_LINE  198


typedef struct {
    FILE         *file;
    const char   *path;
    int           line;            /* number of the line read last */
    int           indented;        /* it began with white space */
    int           key_line;        /* number of the line key stood in */
    int           failed;
    char         *key;             /* a value may go on in indented lines */
    char         *value;
    wh_conf_t    *conf;
    wh_error_t   *err;
} wh_conf_file_t;


static char *wh_conf_file_line(char *buf, int size, void *data);
static size_t wh_conf_file_getline(char *buf, size_t size, FILE *file);
static int wh_conf_file_bad(wh_conf_file_t *f, const char *what);
static int wh_conf_file_section(const wh_conf_file_t *f, const char *line);
static int wh_conf_file_pair(void *data, const char *section,
    const char *name, const char *value);
static int wh_conf_file_join(wh_conf_file_t *f, const char *value);
static int wh_conf_file_set(wh_conf_file_t *f);


int
wh_conf_read(wh_conf_t *conf, const char *path, wh_error_t *err)
{
    int             rc;
    wh_conf_file_t  f;

    memset(&f, 0, sizeof(f));

    f.path = path;
    f.conf = conf;
    f.err = err;

    f.file = fopen(path, "re");
    if (f.file == NULL) {
        return wh_error_set(err, WH_ERROR, "cannot open \"%s\": %s", path,
                            strerror(errno));
    }

    rc = ini_parse_stream(wh_conf_file_line, &f, wh_conf_file_pair, &f);

    if (ferror(f.file)) {
        rc = wh_error_set(err, WH_ERROR, "cannot read \"%s\"", path);

    } else if (f.failed) {
        rc = WH_ERROR;

    } else if (rc != 0) {
        rc = wh_error_set(err, WH_ERROR, "%s:%d: not a \"key = value\" line",
                          path, rc);
    } else {
        rc = wh_conf_file_set(&f);
    }

    free(f.key);
    free(f.value);
    (void) fclose(f.file);

    return rc;
}


/* Hands one line to the parser, which would cut a longer one in two. */

static char *
wh_conf_file_line(char *buf, int size, void *data)
{
    size_t           len;
    wh_conf_file_t  *f = data;

    if (f->failed) {
        return NULL;
    }

    len = wh_conf_file_getline(buf, (size_t) size, f->file);
    if (len == 0) {
        return NULL;
    }

    f->line++;
    f->indented = isspace((unsigned char) *buf);

    /* to the parser a NUL would be the end of the line */

    if (memchr(buf, '\0', len) != NULL) {
        (void) wh_conf_file_bad(f, "a NUL byte");
        return NULL;
    }

    if (len > WH_CONF_FILE_LINE && buf[len - 1] != '\n') {
        f->failed = 1;
        (void) wh_error_set(f->err, WH_ERROR,
                            "%s:%d: longer than %d bytes; a value may go on "
                            "in the next line, behind a space", f->path,
                            f->line, WH_CONF_FILE_LINE);
        return NULL;
    }

    if (wh_conf_file_section(f, buf)) {
        (void) wh_conf_file_bad(f, "sections are not used");
        return NULL;
    }

    return buf;
}


/* As fgets(), but tells the length: 0 at the end. */

static size_t
wh_conf_file_getline(char *buf, size_t size, FILE *file)
{
    int     ch;
    size_t  len;

    len = 0;

    while (len < size - 1 && (ch = getc(file)) != EOF) {
        buf[len++] = (char) ch;

        if (ch == '\n') {
            break;
        }
    }

    buf[len] = '\0';

    return len;
}


static int
wh_conf_file_bad(wh_conf_file_t *f, const char *what)
{
    f->failed = 1;

    return wh_error_set(f->err, WH_ERROR, "%s:%d: %s", f->path, f->line, what);
}


/* Does the line begin a section?  The parser does not tell of each. */

static int
wh_conf_file_section(const wh_conf_file_t *f, const char *line)
{
    if (f->indented && f->key != NULL) {
        return 0;
    }

    /* the parser passes over a byte order mark */

    if (f->line == 1 && strncmp(line, "\xEF\xBB\xBF", 3) == 0) {
        line += 3;
    }

    while (isspace((unsigned char) *line)) {
        line++;
    }

    return *line == '[';
}


/*
 * Takes one pair.  The parser reports an indented line as one more value of
 * the key before it, whose name it may have cut: the two are joined.
 */

static int
wh_conf_file_pair(void *data, const char *section, const char *name,
    const char *value)
{
    wh_conf_file_t  *f = data;

    (void) section;

    if (f->failed) {
        return 0;
    }

    if (f->indented && f->key != NULL && *f->key != '\0') {
        return wh_conf_file_join(f, value) == WH_OK;
    }

    if (wh_conf_file_set(f) != WH_OK) {
        return 0;
    }

    f->key_line = f->line;
    f->key = strdup(name);
    f->value = strdup(value);

    if (f->key == NULL || f->value == NULL) {
        f->failed = 1;
        (void) wh_error_set(f->err, WH_NOMEM, "out of memory");
        return 0;
    }

    return 1;
}


/* Adds a further line of the value, without a comment behind it. */

static int
wh_conf_file_join(wh_conf_file_t *f, const char *value)
{
    char    *joined;
    size_t   i, len, size;

    /* the parser leaves it there */

    for (i = 1, len = strlen(value); i < len; i++) {
        if (value[i] == ';' && isspace((unsigned char) value[i - 1])) {
            len = i;
        }
    }

    while (len > 0 && isspace((unsigned char) value[len - 1])) {
        len--;
    }

    size = strlen(f->value);

    joined = realloc(f->value, size + len + 1);
    if (joined == NULL) {
        f->failed = 1;
        return wh_error_set(f->err, WH_NOMEM, "out of memory");
    }

    memcpy(joined + size, value, len);
    joined[size + len] = '\0';
    f->value = joined;

    return WH_OK;
}


/* The pair is complete. */

static int
wh_conf_file_set(wh_conf_file_t *f)
{
    wh_error_t  err;

    if (f->key == NULL) {
        return WH_OK;
    }

    if (wh_conf_set(f->conf, f->key, f->value, &err) != WH_OK) {
        f->failed = 1;
        return wh_error_set(f->err, WH_ERROR, "%s:%d: %s", f->path,
                            f->key_line, err.text);
    }

    free(f->key);
    free(f->value);
    f->key = NULL;
    f->value = NULL;

    return WH_OK;
}
