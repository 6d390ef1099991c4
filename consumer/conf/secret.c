#include "conf/secret.h"
#include "wh_credential.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static int wh_secret_check(char *secret, size_t len, const char *path,
    wh_error_t *err);


int
wh_secret_read(char **secret, const char *path, wh_error_t *err)
{
    int      failed;
    char    *text;
    FILE    *file;
    size_t   len;

    *secret = NULL;

    file = fopen(path, "re");
    if (file == NULL) {
        return wh_error_set(err, WH_ERROR, "cannot open \"%s\": %s", path,
                            strerror(errno));
    }

    text = calloc(1, WH_SECRET_MAX + 2);
    if (text == NULL) {
        (void) fclose(file);
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    /* no copy stays in a buffer of the library's */
    (void) setvbuf(file, NULL, _IONBF, 0);

    len = fread(text, 1, WH_SECRET_MAX + 1, file);
    failed = ferror(file);

    (void) fclose(file);

    if ((failed ? wh_error_set(err, WH_ERROR, "cannot read \"%s\"", path)
                : wh_secret_check(text, len, path, err))
        != WH_OK)
    {
        explicit_bzero(text, len);
        free(text);
        return WH_ERROR;
    }

    *secret = text;

    return WH_OK;
}


static int
wh_secret_check(char *secret, size_t len, const char *path, wh_error_t *err)
{
    const char  *wrong;

    if (len > WH_SECRET_MAX) {
        return wh_error_set(err, WH_ERROR, "\"%s\" is longer than %d bytes",
                            path, WH_SECRET_MAX);
    }

    wrong = wh_credential_value(secret, len);

    if (wrong != NULL) {
        return wh_error_set(err, WH_ERROR, "\"%s\" %s", path, wrong);
    }

    return WH_OK;
}


void
wh_secret_free(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}
