#include "doctor/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>


#define WH_DOCTOR_TOPICS   "docs/topics.md says how it has to be"


static int wh_doctor_topic(wh_doctor_t *d, wh_subject_t *s, const char *name,
    int read);
static int wh_doctor_ask(wh_doctor_t *d, wh_subject_t *s,
    rd_kafka_resp_err_t *e);
static void wh_doctor_count(wh_subject_t *s,
    const struct rd_kafka_metadata_topic *topic);
static void wh_doctor_rights(wh_doctor_t *d, const wh_subject_t *s, int read,
    int write);
static int wh_doctor_replicas(wh_doctor_t *d, const wh_subject_t *s);
static void wh_doctor_deleted(wh_doctor_t *d, const wh_subject_t *s);
static void wh_doctor_kept(wh_doctor_t *d, const wh_subject_t *s);


void
wh_doctor_topics(wh_doctor_t *d)
{
    wh_subject_t  s;

    if (wh_doctor_topic(d, &s, d->conf->commands_topic, d->next.n > 0)) {
        wh_doctor_rights(d, &s, 1, 0);
        wh_doctor_deleted(d, &s);

        if (wh_doctor_replicas(d, &s)) {
            wh_doctor_commands(d, &s);
        }
    }

    if (wh_doctor_topic(d, &s, d->conf->notifications_topic,
                        d->notified != -1))
    {
        wh_doctor_rights(d, &s, 1, 1);
        wh_doctor_kept(d, &s);

        if (wh_doctor_replicas(d, &s)) {
            wh_doctor_notifications(d, &s);
        }
    }

    if (*d->conf->rejections_topic != '\0'
        && wh_doctor_topic(d, &s, d->conf->rejections_topic, 0))
    {
        wh_doctor_rights(d, &s, 0, 1);

        if (wh_doctor_replicas(d, &s)) {
            wh_report(d->report, WH_FOUND_OK, s.what, NULL, "%d partition(s)",
                      s.partitions);
        }
    }
}


/*
 * Asks for it; read: the database knows it, so that the daemon does not create
 * it.  Whether it is there.
 */

static int
wh_doctor_topic(wh_doctor_t *d, wh_subject_t *s, const char *name, int read)
{
    wh_error_t           err;
    rd_kafka_resp_err_t  e;

    memset(s, 0, sizeof(wh_subject_t));

    s->name = name;
    (void) snprintf(s->what, sizeof(s->what), "topic %s", name);

    if (!wh_doctor_ask(d, s, &e)) {

        if (e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            && d->conf->create_topics && !read)
        {
            wh_report(d->report, WH_FOUND_OK, s->what, NULL,
                      "not there; the daemon creates it");
            return 0;
        }

        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                  ? "create it: " WH_DOCTOR_TOPICS
                  : wh_doctor_advice(rd_kafka_err2str(e)), "%s%s",
                  rd_kafka_err2str(e),
                  e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && read
                  ? "; the database has read it" : "");
        return 0;
    }

    if (wh_topic_get_policy(d->rk, name, &s->policy, &err) != WH_OK) {
        wh_report(d->report, WH_FOUND_WARNING, s->what, NULL, "%s", err.text);

    } else if (!s->policy.known) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "grant DescribeConfigs: " WH_DOCTOR_RIGHTS,
                  "the brokers do not tell its configuration");
    }

    return 1;
}


static int
wh_doctor_ask(wh_doctor_t *d, wh_subject_t *s, rd_kafka_resp_err_t *e)
{
    rd_kafka_topic_t                *rkt;
    const struct rd_kafka_metadata  *md;

    rkt = rd_kafka_topic_new(d->rk, s->name, NULL);

    if (rkt == NULL) {
        *e = rd_kafka_last_error();
        return 0;
    }

    *e = rd_kafka_metadata(d->rk, 0, rkt, &md, WH_DOCTOR_TIMEOUT);
    rd_kafka_topic_destroy(rkt);

    if (*e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 0;
    }

    *e = (md->topic_cnt == 1) ? md->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN;

    if (*e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        wh_doctor_count(s, &md->topics[0]);
    }

    rd_kafka_metadata_destroy(md);

    return *e == RD_KAFKA_RESP_ERR_NO_ERROR;
}


static void
wh_doctor_count(wh_subject_t *s, const struct rd_kafka_metadata_topic *topic)
{
    int                                      i;
    const struct rd_kafka_metadata_partition  *p;

    s->partitions = topic->partition_cnt;

    for (i = 0; i < topic->partition_cnt; i++) {
        p = &topic->partitions[i];

        s->leaderless += (p->leader == -1);
        s->behind += (p->isr_cnt < p->replica_cnt);

        if (i == 0 || p->replica_cnt < s->replicas) {
            s->replicas = p->replica_cnt;
        }

        if (i == 0 || p->isr_cnt < s->in_sync) {
            s->in_sync = p->isr_cnt;
        }
    }
}


/* As far as they can be seen. */

static void
wh_doctor_rights(wh_doctor_t *d, const wh_subject_t *s, int read, int write)
{
    wh_error_t         err;
    wh_topic_rights_t  rights;

    if (wh_topic_get_rights(d->rk, s->name, &rights, &err) == WH_OK
        && rights.known && ((read && !rights.read) || (write && !rights.write)))
    {
        wh_report(d->report, WH_FOUND_ERROR, s->what, WH_DOCTOR_RIGHTS,
                  "the brokers do not allow the daemon to %s",
                  read && !rights.read ? "read it" : "write to it");
    }
}


/* Returns whether it can be read. */

static int
wh_doctor_replicas(wh_doctor_t *d, const wh_subject_t *s)
{
    const wh_topic_policy_t  *policy = &s->policy;

    if (s->leaderless > 0) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "bring the brokers back that have them",
                  "%d of %d partitions have no leader", s->leaderless,
                  s->partitions);
        return 0;
    }

    if (policy->known && s->in_sync < policy->min_in_sync) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "bring the missing brokers back",
                  "a partition has %d replica(s) in sync, and "
                  "min.insync.replicas is %" PRId64 ": nothing can be "
                  "written to it", s->in_sync, policy->min_in_sync);

    } else if (s->behind > 0) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "bring the missing brokers back",
                  "%d of %d partitions have replicas that are not in sync",
                  s->behind, s->partitions);

    } else if (s->replicas == 1) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "three replicas, with min.insync.replicas 2",
                  "one replica: what is in it is lost with its broker");

    } else if (policy->known && policy->min_in_sync == 1) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "set min.insync.replicas to 2",
                  "min.insync.replicas is 1: what one broker alone has is "
                  "acknowledged, and lost with it");

    } else if (policy->known && policy->min_in_sync == s->replicas) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "one replica more than min.insync.replicas",
                  "min.insync.replicas is %d, as many as there are replicas: "
                  "nothing can be written while one broker is away",
                  s->replicas);
    }

    return 1;
}


static void
wh_doctor_deleted(wh_doctor_t *d, const wh_subject_t *s)
{
    if (s->policy.compact) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "set its cleanup.policy to delete",
                  "it is compacted: compaction deletes commands");
    }
}


/* Can a database be rebuilt from them, and for how long? */

static void
wh_doctor_kept(wh_doctor_t *d, const wh_subject_t *s)
{
    const wh_topic_policy_t  *policy = &s->policy;

    if (policy->deletes && (policy->retention >= 0 || policy->bytes >= 0)) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "set its cleanup.policy to compact",
                  "it deletes records past its retention: a lost database "
                  "cannot be rebuilt from it then without a backup");
    }

    if (policy->compact
        && policy->lag < d->conf->idempotency_retention * 1000)
    {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "set it to twice that", "min.compaction.lag.ms is %" PRId64
                  ", shorter than idempotency_retention: a rebuilt database "
                  "may not know all keys", policy->lag);
    }
}
