#include "doctor/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>


#define WH_REPORT_TEXT  1024      /* bytes of a finding */


struct wh_report_s {
    cJSON       *checks;          /* NULL: for people */
    int          failed;          /* no memory for one */
    wh_found_t   worst;
    int          count[WH_FOUND_ERROR + 1];
};


static void wh_report_print(wh_found_t found, const char *what,
    const char *advice, const char *text);
static int wh_report_add(wh_report_t *r, wh_found_t found, const char *what,
    const char *advice, const char *text);
static void wh_report_print_json(wh_report_t *r);


static const char  *wh_report_names[] = { "ok", "warning", "error" };


int
wh_report_start(wh_report_t **report, int json, wh_error_t *err)
{
    wh_report_t  *r;

    *report = NULL;

    r = calloc(1, sizeof(wh_report_t));

    if (r != NULL && json) {
        r->checks = cJSON_CreateArray();
    }

    if (r == NULL || (json && r->checks == NULL)) {
        free(r);
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    *report = r;

    return WH_OK;
}


void
wh_report(wh_report_t *r, wh_found_t found, const char *what,
    const char *advice, const char *fmt, ...)
{
    char     text[WH_REPORT_TEXT];
    va_list  args;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    r->count[found]++;

    if (found > r->worst) {
        r->worst = found;
    }

    if (r->checks == NULL) {
        wh_report_print(found, what, advice, text);

    } else if (!wh_report_add(r, found, what, advice, text)) {
        r->failed = 1;
    }
}


static void
wh_report_print(wh_found_t found, const char *what, const char *advice,
    const char *text)
{
    printf("%-8s %s: %s\n", wh_report_names[found], what, text);

    if (advice != NULL) {
        printf("%-8s -> %s\n", "", advice);
    }

    /* the next check may wait for somebody */
    (void) fflush(stdout);
}


static int
wh_report_add(wh_report_t *r, wh_found_t found, const char *what,
    const char *advice, const char *text)
{
    cJSON  *check;

    check = cJSON_CreateObject();

    if (check != NULL && cJSON_AddItemToArray(r->checks, check)) {
        return cJSON_AddStringToObject(check, "check", what) != NULL
               && cJSON_AddStringToObject(check, "status",
                                          wh_report_names[found])
                  != NULL
               && cJSON_AddStringToObject(check, "text", text) != NULL
               && (advice == NULL
                   || cJSON_AddStringToObject(check, "advice", advice)
                      != NULL);
    }

    cJSON_Delete(check);

    return 0;
}


int
wh_report_end(wh_report_t *r, wh_found_t *worst, wh_error_t *err)
{
    int  failed;

    *worst = r->worst;

    if (r->checks != NULL) {
        wh_report_print_json(r);

    } else {
        printf("\n%d error(s), %d warning(s)\n", r->count[WH_FOUND_ERROR],
               r->count[WH_FOUND_WARNING]);
    }

    failed = r->failed;
    free(r);

    if (failed) {
        return wh_error_set(err, WH_ERROR, "out of memory");
    }

    if (fflush(stdout) != 0 || ferror(stdout)) {
        return wh_error_set(err, WH_ERROR, "cannot write to stdout: %s",
                            strerror(errno));
    }

    return WH_OK;
}


static void
wh_report_print_json(wh_report_t *r)
{
    char   *text;
    cJSON  *root;

    text = NULL;
    root = cJSON_CreateObject();

    if (root != NULL
        && cJSON_AddStringToObject(root, "status", wh_report_names[r->worst])
           != NULL
        && cJSON_AddItemToObject(root, "checks", r->checks))
    {
        r->checks = NULL;
        text = cJSON_Print(root);
    }

    if (text != NULL) {
        printf("%s\n", text);

    } else {
        r->failed = 1;
    }

    cJSON_free(text);
    cJSON_Delete(root);
    cJSON_Delete(r->checks);
}
