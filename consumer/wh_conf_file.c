#include "wh_conf.h"

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
static int wh_conf_file_pair(void *data, const char *section,
    const char *name, const char *value);
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

    if (f->failed || fgets(buf, size, f->file) == NULL) {
        return NULL;
    }

    f->line++;
    f->indented = (*buf == ' ' || *buf == '\t');
    len = strlen(buf);

    if (len > WH_CONF_FILE_LINE && buf[len - 1] != '\n') {
        f->failed = 1;
        (void) wh_error_set(f->err, WH_ERROR,
                            "%s:%d: longer than %d bytes; a value may go on "
                            "in the next line, behind a space", f->path,
                            f->line, WH_CONF_FILE_LINE);
        return NULL;
    }

    return buf;
}


/*
 * Takes one pair.  The parser reports an indented line as one more value of
 * the key before it: the two are joined.
 */

static int
wh_conf_file_pair(void *data, const char *section, const char *name,
    const char *value)
{
    char            *joined;
    size_t           len;
    wh_conf_file_t  *f = data;

    if (f->failed) {
        return 0;
    }

    if (*section != '\0') {
        f->failed = 1;
        (void) wh_error_set(f->err, WH_ERROR, "%s:%d: sections are not used",
                            f->path, f->line);
        return 0;
    }

    if (f->key != NULL && f->indented && strcmp(f->key, name) == 0) {
        len = strlen(f->value);

        joined = realloc(f->value, len + strlen(value) + 1);
        if (joined == NULL) {
            goto nomem;
        }

        strcpy(joined + len, value);
        f->value = joined;

        return 1;
    }

    if (wh_conf_file_set(f) != WH_OK) {
        return 0;
    }

    f->key_line = f->line;
    f->key = strdup(name);
    f->value = strdup(value);

    if (f->key != NULL && f->value != NULL) {
        return 1;
    }

nomem:

    f->failed = 1;
    (void) wh_error_set(f->err, WH_NOMEM, "out of memory");

    return 0;
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
