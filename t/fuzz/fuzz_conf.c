/*
 * The bytes are a configuration file.  wh_conf_read() has to take the pairs
 * that the judge below finds in its lines, and to name a faulty line where it
 * refuses; what it took, written as a file again, has to be read as the same.
 */

#define _GNU_SOURCE             /* memfd_create() */

#include "fuzz.h"

#include <ctype.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"


#define FUZZ_LINE   198         /* docs/daemon.md */
#define FUZZ_LINES  4096        /* and more bytes than that are not tried */


typedef enum {
    FUZZ_STRING,
    FUZZ_NUMBER,
    FUZZ_SIZE,
    FUZZ_MODE,
    FUZZ_FLAG
} fuzz_type_t;


typedef struct {
    const char   *name;
    fuzz_type_t   type;
    size_t        offset;
} fuzz_key_t;


/* What the judge has of the file, and what it would come to. */

typedef struct {
    char        faulty[FUZZ_LINES + 2];     /* by the number of the line */
    int         line;
    int         key_line;
    char       *key;                        /* of the pair that may go on */
    char       *value;
    wh_conf_t   conf;
} fuzz_file_t;


#define K(key, type)  { #key, type, offsetof(wh_conf_t, key) }

static const fuzz_key_t  fuzz_keys[] = {
    K(database, FUZZ_STRING),
    K(database_mode, FUZZ_MODE),
    K(database_cache, FUZZ_SIZE),
    K(commands_topic, FUZZ_STRING),
    K(notifications_topic, FUZZ_STRING),
    K(rejections_topic, FUZZ_STRING),
    K(group_id, FUZZ_STRING),
    K(batch_size, FUZZ_NUMBER),
    K(idempotency_retention, FUZZ_NUMBER),
    K(idempotency_keys, FUZZ_NUMBER),
    K(wal_limit, FUZZ_SIZE),
    K(skip_trimmed_commands, FUZZ_FLAG),
    K(log, FUZZ_STRING),
    K(pid_file, FUZZ_STRING),
};


static char *
fuzz_string(const wh_conf_t *conf, const fuzz_key_t *k)
{
    return *(char **) ((char *) conf + k->offset);
}


static int64_t
fuzz_number(const wh_conf_t *conf, const fuzz_key_t *k)
{
    return *(int64_t *) ((char *) conf + k->offset);
}


/* A value that was taken is what its text says. */

static void
fuzz_taken(const wh_conf_t *conf, const char *key, const char *value)
{
    int                base;
    size_t             i;
    int64_t            n;
    const char        *p;
    const fuzz_key_t  *k;

    if (strncmp(key, "kafka.", 6) == 0) {

        for (i = 0; i < conf->nproperties; i++) {
            if (strcmp(conf->properties[i].name, key + 6) == 0) {
                break;
            }
        }

        fuzz_check(i < conf->nproperties);
        fuzz_check(strcmp(conf->properties[i].value, value) == 0);
        return;
    }

    for (i = 0; i < fuzz_items(fuzz_keys); i++) {
        if (strcmp(fuzz_keys[i].name, key) == 0) {
            break;
        }
    }

    /* a key that is newer than this table is not looked at */

    if (i == fuzz_items(fuzz_keys)) {
        return;
    }

    k = &fuzz_keys[i];

    if (k->type == FUZZ_STRING) {
        fuzz_check(strcmp(fuzz_string(conf, k), value) == 0);
        return;
    }

    if (k->type == FUZZ_FLAG) {
        fuzz_check(strcmp(value, fuzz_number(conf, k) ? "yes" : "no") == 0);
        return;
    }

    base = (k->type == FUZZ_MODE) ? 8 : 10;

    for (n = 0, p = value; *p >= '0' && *p < '0' + base; p++) {
        n = n * base + (*p - '0');
        fuzz_check(n < INT64_C(1) << 50);
    }

    fuzz_check(p > value);

    if (k->type == FUZZ_SIZE && *p != '\0') {
        fuzz_check(strchr("kKmM", *p) != NULL);
        n *= (*p == 'k' || *p == 'K') ? 1024 : 1024 * 1024;
        p++;
    }

    fuzz_check(*p == '\0');
    fuzz_check(n > 0 && n == fuzz_number(conf, k));
}


/* The pair is complete: its value does not go on in the next line. */

static void
fuzz_pair(fuzz_file_t *f)
{
    wh_error_t  err;

    if (f->key == NULL) {
        return;
    }

    if (wh_conf_set(&f->conf, f->key, f->value, &err) != WH_OK) {
        f->faulty[f->key_line] = 1;

    } else {
        fuzz_taken(&f->conf, f->key, f->value);
    }

    free(f->key);
    free(f->value);
    f->key = NULL;
    f->value = NULL;
}


/* len bytes of a line without the blanks around them, as a string. */

static char *
fuzz_trim(const char *text, size_t len)
{
    char  *copy;

    while (len > 0 && isspace((unsigned char) *text)) {
        text++;
        len--;
    }

    while (len > 0 && isspace((unsigned char) text[len - 1])) {
        len--;
    }

    copy = strndup(text, len);
    fuzz_check(copy != NULL);

    return copy;
}


/* The bytes of text in front of a comment: a ';' behind a blank. */

static size_t
fuzz_comment(const char *text, size_t len)
{
    size_t  i;

    for (i = 1; i < len; i++) {
        if (text[i] == ';' && isspace((unsigned char) text[i - 1])) {
            return i;
        }
    }

    return len;
}


/* A line that is no comment, not empty, and short enough. */

static void
fuzz_content(fuzz_file_t *f, const char *text, size_t len)
{
    char    *more, *joined;
    size_t   at, size;

    if (isspace((unsigned char) *text) && f->key != NULL && *f->key != '\0') {
        more = fuzz_trim(text, fuzz_comment(text, len));
        size = strlen(f->value) + strlen(more) + 1;
        joined = fuzz_alloc(size);
        (void) snprintf(joined, size, "%s%s", f->value, more);
        free(more);
        free(f->value);
        f->value = joined;
        return;
    }

    while (isspace((unsigned char) *text)) {
        text++;
        len--;
    }

    /* there are no sections */

    if (*text == '[') {
        f->faulty[f->line] = 1;
        return;
    }

    at = fuzz_comment(text, len);

    for (size = 0; size < at; size++) {
        if (text[size] == '=' || text[size] == ':') {
            break;
        }
    }

    if (size == at) {
        f->faulty[f->line] = 1;
        return;
    }

    fuzz_pair(f);

    f->key_line = f->line;
    f->key = fuzz_trim(text, size);
    text += size + 1;
    len -= size + 1;
    f->value = fuzz_trim(text, fuzz_comment(text, len));
}


static void
fuzz_line(fuzz_file_t *f, const char *text, size_t len)
{
    char  *content;

    f->line++;

    if (len > FUZZ_LINE || memchr(text, '\0', len) != NULL) {
        f->faulty[f->line] = 1;
        return;
    }

    if (f->line == 1 && len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        len -= 3;
    }

    content = fuzz_trim(text, len);

    if (*content != '\0' && *content != '#' && *content != ';') {
        fuzz_content(f, text, len);
    }

    free(content);
}


/* Judges the file; returns how many of its lines are faulty. */

static int
fuzz_judge(fuzz_file_t *f, const char *text, size_t len)
{
    int          i, n;
    size_t       rest;
    wh_error_t   err;
    const char  *end;

    memset(f, 0, sizeof(fuzz_file_t));
    fuzz_check(wh_conf_init(&f->conf, &err) == WH_OK);

    for (rest = len; rest > 0; text = end) {
        end = memchr(text, '\n', rest);
        end = (end != NULL) ? end + 1 : text + rest;
        fuzz_line(f, text, (size_t) (end - text) - (end[-1] == '\n'));
        rest -= (size_t) (end - text);
    }

    fuzz_pair(f);

    for (i = 1, n = 0; i <= f->line; i++) {
        n += f->faulty[i];
    }

    return n;
}


static void
fuzz_equal(const wh_conf_t *a, const wh_conf_t *b)
{
    size_t             i;
    const fuzz_key_t  *k;

    for (i = 0; i < fuzz_items(fuzz_keys); i++) {
        k = &fuzz_keys[i];

        if (k->type == FUZZ_STRING) {
            fuzz_check(strcmp(fuzz_string(a, k), fuzz_string(b, k)) == 0);

        } else {
            fuzz_check(fuzz_number(a, k) == fuzz_number(b, k));
        }
    }

    fuzz_check(a->nproperties == b->nproperties);

    for (i = 0; i < a->nproperties; i++) {
        fuzz_check(strcmp(a->properties[i].name, b->properties[i].name) == 0);
        fuzz_check(strcmp(a->properties[i].value, b->properties[i].value)
                   == 0);
    }
}


/* Writes a pair in as few lines as will do. */

static void
fuzz_print(FILE *out, const char *prefix, const char *key, const char *value)
{
    size_t  n, left, room;

    room = FUZZ_LINE - strlen(prefix) - strlen(key) - 1;
    left = strlen(value);

    fprintf(out, "%s%s=", prefix, key);

    while (left > room) {

        /* neither part may have a blank there, nor the next be a comment */

        for (n = room; n > 0; n--) {
            if (!isspace((unsigned char) value[n - 1])
                && !isspace((unsigned char) value[n])
                && value[n] != ';' && value[n] != '#')
            {
                break;
            }
        }

        fuzz_check(n > 0 || room < FUZZ_LINE - 1);
        fprintf(out, "%.*s\n ", (int) n, value);
        value += n;
        left -= n;
        room = FUZZ_LINE - 1;
    }

    fprintf(out, "%s\n", value);
}


static char *
fuzz_write(const wh_conf_t *conf, size_t *len)
{
    char              *text, number[32];
    FILE              *out;
    size_t             i;
    const fuzz_key_t  *k;

    out = open_memstream(&text, len);
    fuzz_check(out != NULL);

    for (i = 0; i < fuzz_items(fuzz_keys); i++) {
        k = &fuzz_keys[i];

        if (k->type == FUZZ_STRING) {
            fuzz_print(out, "", k->name, fuzz_string(conf, k));
            continue;
        }

        (void) snprintf(number, sizeof(number),
                        k->type == FUZZ_MODE ? "%" PRIo64 : "%" PRId64,
                        fuzz_number(conf, k));
        fuzz_print(out, "", k->name,
                   k->type != FUZZ_FLAG ? number
                   : fuzz_number(conf, k) ? "yes" : "no");
    }

    for (i = 0; i < conf->nproperties; i++) {
        fuzz_print(out, "kafka.", conf->properties[i].name,
                   conf->properties[i].value);
    }

    fuzz_check(fclose(out) == 0);

    return text;
}


/* Reads text as a file, whose name is left in path. */

static int
fuzz_read(wh_conf_t *conf, const char *text, size_t len, char *path,
    wh_error_t *err)
{
    int         rc;
    static int  fd = -1;

    if (fd == -1) {
        fd = memfd_create("consumer.conf", MFD_CLOEXEC);
        fuzz_check(fd != -1);
    }

    fuzz_check(ftruncate(fd, 0) == 0);
    fuzz_check(pwrite(fd, text, len, 0) == (ssize_t) len);
    (void) sprintf(path, "/proc/self/fd/%d", fd);

    fuzz_check(wh_conf_init(conf, err) == WH_OK);
    memset(err, 0xA5, sizeof(wh_error_t));

    rc = wh_conf_read(conf, path, err);
    fuzz_check(rc == WH_OK || rc == WH_ERROR);

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int           n, rc, faulty;
    long          line;
    char         *text, *end, path[64];
    wh_conf_t     conf, again;
    wh_error_t    err;
    fuzz_file_t  *f;

    if (len > FUZZ_LINES) {
        return 0;
    }

    f = (fuzz_file_t *) fuzz_alloc(sizeof(fuzz_file_t));
    faulty = fuzz_judge(f, (const char *) data, len);
    rc = fuzz_read(&conf, (const char *) data, len, path, &err);

    if (rc != WH_OK) {

        /* "FILE:LINE: " and a sentence */

        fuzz_check(strnlen(err.text, sizeof(err.text)) < sizeof(err.text));

        n = (int) strlen(path);
        fuzz_check(strncmp(err.text, path, (size_t) n) == 0
                   && err.text[n] == ':');

        line = strtol(err.text + n + 1, &end, 10);
        fuzz_check(strncmp(end, ": ", 2) == 0 && end[2] != '\0');
        fuzz_check(line >= 1 && line <= f->line && f->faulty[line]);

    } else {
        fuzz_check(faulty == 0);
        fuzz_equal(&conf, &f->conf);

        text = fuzz_write(&conf, &len);
        fuzz_check(fuzz_read(&again, text, len, path, &err) == WH_OK);
        fuzz_equal(&conf, &again);

        rc = wh_conf_check(&conf, &err);
        fuzz_check(wh_conf_check(&again, NULL) == rc);
        fuzz_check(rc == WH_OK || err.text[0] == '"');

        free(text);
        wh_conf_free(&again);
    }

    wh_conf_free(&conf);
    wh_conf_free(&f->conf);
    free(f);

    return 0;
}
