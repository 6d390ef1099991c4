#include "verify/replay.h"
#include "base/worker.h"
#include "follow/catch_up.h"
#include "follow/follow.h"
#include "kafka/client.h"
#include "kafka/query.h"
#include "store/files.h"
#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


static int wh_replay_folder(wh_replay_t *replay, wh_error_t *err);
static int wh_replay_ask(wh_replay_t *replay, const wh_conf_t *conf,
    const char *cluster, int64_t next, wh_error_t *err);
static int wh_replay_there(wh_replay_t *replay, const wh_conf_t *conf,
    rd_kafka_t *watcher, const char *cluster, int64_t next, wh_error_t *err);
static int wh_replay_follow(wh_replay_t *replay, const wh_conf_t *conf,
    wh_store_t *store, int64_t next, wh_error_t *err);


int
wh_replay_begin(wh_replay_t *replay, const wh_conf_t *conf,
    const char *cluster, int64_t next, wh_error_t *err)
{
    int  rc;

    memset(replay, 0, sizeof(wh_replay_t));

    rc = wh_replay_ask(replay, conf, cluster, next, err);

    return (rc == WH_OK) ? wh_replay_folder(replay, err) : rc;
}


int
wh_replay(wh_replay_t *replay, const wh_conf_t *conf, int64_t next,
    wh_error_t *err)
{
    int               rc;
    wh_conf_t         all;
    wh_store_t       *store;
    wh_store_conf_t   to;

    to.path = replay->path;
    to.mode = 0600;
    to.wal_limit = conf->wal_limit;
    to.cache = conf->database_cache;

    rc = wh_store_create(&store, &to, err);
    if (rc != WH_OK) {
        return rc;
    }

    /* however many keys there are, whatever the database may forget */

    all = *conf;
    all.outcomes = 0;
    all.idempotency_keys = INT64_MAX;

    rc = wh_replay_follow(replay, &all, store, next, err);

    wh_store_close(store);

    return rc;
}


static int
wh_replay_ask(wh_replay_t *replay, const wh_conf_t *conf, const char *cluster,
    int64_t next, wh_error_t *err)
{
    int          rc;
    rd_kafka_t  *watcher;

    rc = wh_client_open(&watcher, WH_CLIENT_WATCHER, conf, NULL, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_replay_there(replay, conf, watcher, cluster, next, err);

    wh_client_close(watcher);

    return rc;
}


/* Whether the topic is the one that the database is from, and whole. */

static int
wh_replay_there(wh_replay_t *replay, const wh_conf_t *conf,
    rd_kafka_t *watcher, const char *cluster, int64_t next, wh_error_t *err)
{
    int          rc;
    char         id[128];
    int64_t      low;
    const char  *topic = conf->notifications_topic;

    rc = wh_query_cluster_id(watcher, id, sizeof(id), err);
    if (rc != WH_OK) {
        return rc;
    }

    if (*cluster != '\0' && strcmp(id, cluster) != 0) {
        return wh_error_set(err, WH_ERROR, "the database belongs to Kafka "
                            "cluster \"%s\", the brokers are cluster \"%s\"",
                            cluster, id);
    }

    rc = wh_query_watermarks_past(watcher, topic, 0, next, &low,
                                  &replay->high, err);
    if (rc != WH_OK) {
        return rc;
    }

    if (next > replay->high) {
        return wh_error_set(err, WH_ERROR, "the database knows topic \"%s\" up "
                            "to offset %" PRId64 ", the topic ends at %" PRId64,
                            topic, next, replay->high);
    }

    if (low > 0) {
        return wh_error_set(err, WH_ERROR, "topic \"%s\" begins at offset %"
                            PRId64 ": what was before is deleted and cannot "
                            "be replayed", topic, low);
    }

    return WH_OK;
}


static int
wh_replay_folder(wh_replay_t *replay, wh_error_t *err)
{
    char         folder[PATH_MAX], whole[PATH_MAX];
    const char  *tmp;

    tmp = getenv("TMPDIR");

    if (tmp == NULL || *tmp == '\0') {
        tmp = "/var/tmp";
    }

    /* SQLite opens it by a URI, which has no place for a relative one */

    if (realpath(tmp, whole) == NULL) {
        return wh_error_set(err, WH_ERROR, "cannot make a folder in \"%s\": "
                            "%s", tmp, strerror(errno));
    }

    if (wh_file_name(folder, whole, "/warehouse-verify.XXXXXX", err) != WH_OK) {
        return WH_ERROR;
    }

    if (mkdtemp(folder) == NULL) {
        return wh_error_set(err, WH_ERROR, "cannot make a folder in \"%s\": "
                            "%s", tmp, strerror(errno));
    }

    strcpy(replay->folder, folder);

    if (wh_file_name(replay->path, folder, "/replay", err) != WH_OK
        || wh_file_name(replay->file, folder, "/replay.new", err) != WH_OK)
    {
        return WH_ERROR;
    }

    return WH_OK;
}


static int
wh_replay_follow(wh_replay_t *replay, const wh_conf_t *conf,
    wh_store_t *store, int64_t next, wh_error_t *err)
{
    int           rc, written;
    uint64_t      applied;
    wh_error_t    why;
    wh_follow_t  *follow;
    wh_worker_t  *worker;

    rc = wh_worker_create(&worker, err);
    if (rc != WH_OK) {
        return rc;
    }

    rc = wh_follow_open(&follow, conf, store, worker, next, err);

    if (rc == WH_OK) {
        rc = wh_catch_up(follow, next, err);

        written = wh_follow_finish(follow, rc == WH_OK, &why);

        if (written != WH_OK) {
            rc = written;
            *err = why;
        }

        wh_follow_counts(follow, &replay->read, &applied);
        wh_follow_close(follow);
    }

    wh_worker_destroy(worker);

    return rc;
}


void
wh_replay_remove(wh_replay_t *replay)
{
    wh_error_t  err;

    if (*replay->folder == '\0') {
        return;
    }

    (void) wh_file_remove_new(replay->path, &err);
    (void) rmdir(replay->folder);

    *replay->folder = '\0';
}
