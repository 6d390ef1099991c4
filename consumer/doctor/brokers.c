#include "doctor/internal.h"
#include "kafka/client.h"
#include "kafka/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


static void wh_doctor_failed(rd_kafka_t *rk, int code, const char *reason,
    void *opaque);
static void wh_doctor_cluster(wh_doctor_t *d, int brokers, const char *id);
static void wh_doctor_members(wh_doctor_t *d, int members, const char *host);


int
wh_doctor_brokers(wh_doctor_t *d)
{
    int                              n;
    char                             id[WH_DOCTOR_ID];
    wh_error_t                       err;
    wh_callbacks_t                   callbacks;
    rd_kafka_resp_err_t              e;
    const struct rd_kafka_metadata  *md;

    memset(&callbacks, 0, sizeof(callbacks));
    callbacks.opaque = d;
    callbacks.failed = wh_doctor_failed;

    if (wh_client_open(&d->rk, WH_CLIENT_WATCHER, d->conf, &callbacks, &err)
        != WH_OK)
    {
        wh_report(d->report, WH_FOUND_ERROR, "brokers", NULL, "%s", err.text);
        return 0;
    }

    e = rd_kafka_metadata(d->rk, 0, NULL, &md, WH_DOCTOR_TIMEOUT);

    (void) rd_kafka_poll(d->rk, 0);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        wh_report(d->report, WH_FOUND_ERROR, "brokers",
                  "see to it that they run and can be reached from here, and "
                  "to kafka.bootstrap.servers, kafka.security.protocol and "
                  "what goes with them", "%s",
                  *d->trouble != '\0' ? d->trouble : rd_kafka_err2str(e));
        return 0;
    }

    n = md->broker_cnt;
    rd_kafka_metadata_destroy(md);

    if (wh_query_cluster_id(d->rk, id, sizeof(id), &err) != WH_OK) {
        id[0] = '\0';
    }

    wh_doctor_cluster(d, n, id);

    return 1;
}


const char *
wh_doctor_advice(const char *text)
{
    return strstr(text, "authorization failed") != NULL ? WH_DOCTOR_RIGHTS
                                                        : NULL;
}


/* Called by rd_kafka_poll(). */

static void
wh_doctor_failed(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    wh_doctor_t  *d = opaque;

    (void) rk;

    /* that it is all of them says less than why one of them failed */

    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && *d->trouble != '\0') {
        return;
    }

    (void) snprintf(d->trouble, sizeof(d->trouble), "%s", reason);
}


static void
wh_doctor_cluster(wh_doctor_t *d, int brokers, const char *id)
{
    if (d->known && *d->cluster != '\0' && *id != '\0'
        && strcmp(d->cluster, id) != 0)
    {
        wh_report(d->report, WH_FOUND_ERROR, "brokers",
                  "see to kafka.bootstrap.servers; to begin with another "
                  "cluster, move the database away",
                  "they are of cluster \"%s\", and the database is of cluster "
                  "\"%s\"", id, d->cluster);
        return;
    }

    if (brokers == 1) {
        wh_report(d->report, WH_FOUND_WARNING, "brokers",
                  "three brokers survive the loss of one",
                  "there is one, cluster \"%s\"", id);
        return;
    }

    wh_report(d->report, WH_FOUND_OK, "brokers", NULL,
              "there are %d, cluster \"%s\"", brokers, id);
}


void
wh_doctor_group(wh_doctor_t *d)
{
    int                               rc, members;
    char                              host[256];
    wh_error_t                        err;
    rd_kafka_topic_partition_list_t  *committed;

    rc = wh_query_committed(d->rk, d->conf->commands_topic, 1, &committed,
                            &err);

    if (rc == WH_OK) {
        rd_kafka_topic_partition_list_destroy(committed);

        rc = wh_query_members(d->rk, d->conf->group_id, &members, host,
                              sizeof(host), &err);
    }

    if (rc == WH_OK) {
        wh_doctor_members(d, members, host);

    } else if (rc == WH_NONE) {
        wh_report(d->report, WH_FOUND_OK, "group", NULL, "%s yet", err.text);

    } else {
        wh_report(d->report, WH_FOUND_ERROR, "group",
                  wh_doctor_advice(err.text), "%s", err.text);
    }
}


static void
wh_doctor_members(wh_doctor_t *d, int members, const char *host)
{
    const char  *group = d->conf->group_id;

    if (members > 1) {
        wh_report(d->report, WH_FOUND_ERROR, "group",
                  "nobody else may use the daemon's group_id",
                  "group \"%s\" has %d members", group, members);

    } else if (members == 1 && !d->running) {
        wh_report(d->report, WH_FOUND_OK, "group", NULL,
                  "group \"%s\" has its member at %s: another machine's "
                  "daemon, or one that was here less than session.timeout.ms "
                  "ago", group, host);

    } else {
        wh_report(d->report, WH_FOUND_OK, "group", NULL, "group \"%s\" has %d "
                  "member%s%s", group, members, members == 1 ? ", at " : "s",
                  host);
    }
}
