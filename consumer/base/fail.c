#include "base/fail.h"

#ifdef WH_FAILPOINTS

#include "base/log.h"
#include "base/signal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define WH_FAIL_ENTRIES  8


typedef struct {
    char  point[32];
    char  action[32];
    int   left;            /* passes until it acts */
} wh_fail_entry_t;


/* In the order of a session, then of a batch, then of the end. */

static const char  *wh_fail_points[] = {
    "store_opened", "transactions_initialized", "cluster_checked",
    "offsets_fetched", "watermark_read", "notification_applied",
    "follow_written", "follow_committed", "positions_written", "recovered",
    "rebuilt_closed", "rebuilt_renamed", "joined", "assigned",
    "polled", "read", "begun", "written", "read_ahead", "first_sent",
    "last_sent", "flushed", "outcomes_written", "offsets_sent",
    "kafka_committed", "sqlite_committed", "logged", "checkpointed",
    "stopping", "closing", "closed",
};

#define WH_FAIL_NPOINTS  (sizeof(wh_fail_points) / sizeof(wh_fail_points[0]))


static wh_fail_entry_t  wh_fail_entries[WH_FAIL_ENTRIES];
static int              wh_fail_nentries;


static int wh_fail_parse(const char *text);
static int wh_fail_known(const char *point);
static int wh_fail_act(const wh_fail_entry_t *entry, wh_error_t *err);


void
wh_fail_init(void)
{
    size_t       i;
    const char  *text;

    text = getenv("WAREHOUSE_FAIL");

    if (text == NULL) {
        return;
    }

    if (strcmp(text, "list") == 0) {
        for (i = 0; i < WH_FAIL_NPOINTS; i++) {
            printf("%s\n", wh_fail_points[i]);
        }

        exit(0);
    }

    while (text != NULL && *text != '\0') {

        if (wh_fail_parse(text) != WH_OK) {
            fprintf(stderr, "invalid WAREHOUSE_FAIL: %s\n", text);
            exit(1);
        }

        text = strchr(text, ',');
        text = (text != NULL) ? text + 1 : NULL;
    }
}


static int
wh_fail_parse(const char *text)
{
    wh_fail_entry_t  *e;

    if (wh_fail_nentries == WH_FAIL_ENTRIES) {
        return WH_ERROR;
    }

    e = &wh_fail_entries[wh_fail_nentries];
    e->left = 1;

    if (sscanf(text, "%31[a-z_]:%31[a-z0-9=]@%d", e->point, e->action,
               &e->left)
        < 2
        || !wh_fail_known(e->point))
    {
        return WH_ERROR;
    }

    wh_fail_nentries++;

    return WH_OK;
}


static int
wh_fail_known(const char *point)
{
    size_t  i;

    for (i = 0; i < WH_FAIL_NPOINTS; i++) {
        if (strcmp(wh_fail_points[i], point) == 0) {
            return 1;
        }
    }

    return 0;
}


int
wh_fail(int rc, const char *point, wh_error_t *err)
{
    int  i;

    if (rc != WH_OK) {
        return rc;
    }

    if (!wh_fail_known(point)) {
        fprintf(stderr, "the failpoint \"%s\" is in no table\n", point);
        abort();
    }

    for (i = 0; i < wh_fail_nentries; i++) {
        if (strcmp(wh_fail_entries[i].point, point) == 0
            && --wh_fail_entries[i].left == 0)
        {
            rc = wh_fail_act(&wh_fail_entries[i], err);
        }
    }

    return rc;
}


static int
wh_fail_act(const wh_fail_entry_t *e, wh_error_t *err)
{
    if (strcmp(e->action, "error") == 0) {
        return wh_error_set(err, WH_AGAIN, "failpoint \"%s\"", e->point);
    }

    wh_log(WH_LOG_NOTICE, "failpoint \"%s\": %s", e->point, e->action);

    if (strcmp(e->action, "kill") == 0) {
        (void) raise(SIGKILL);

    } else if (strcmp(e->action, "stop") == 0) {
        (void) raise(SIGSTOP);

    } else if (strncmp(e->action, "wait=", 5) == 0) {
        wh_wait(atoi(e->action + 5));
    }

    return WH_OK;
}

#endif
