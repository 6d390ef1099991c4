#include "doctor/internal.h"
#include "kafka/query.h"
#include "kafka/topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>


#define WH_DOCTOR_FUTURE   60000    /* ms that a record's time may be ahead */
#define WH_DOCTOR_WHAT     300      /* bytes: "topic " and its name */

#define WH_DOCTOR_TOPICS   "docs/topics.md says how it has to be"


/* A topic as the brokers have it. */

typedef struct {
    const char         *name;
    char                what[WH_DOCTOR_WHAT];
    int                 partitions;
    int                 leaderless;       /* partitions */
    int                 replicas;         /* the fewest of a partition, ... */
    int                 in_sync;          /* ... and the fewest in sync */
    wh_topic_policy_t   policy;
} wh_subject_t;


static int wh_doctor_topic(wh_doctor_t *d, wh_subject_t *s, const char *name);
static int wh_doctor_ask(wh_doctor_t *d, wh_subject_t *s,
    rd_kafka_resp_err_t *e);
static void wh_doctor_count(wh_subject_t *s,
    const struct rd_kafka_metadata_topic *topic);
static void wh_doctor_rights(wh_doctor_t *d, const wh_subject_t *s, int read,
    int write);
static void wh_doctor_replicas(wh_doctor_t *d, const wh_subject_t *s);
static void wh_doctor_commands(wh_doctor_t *d, const wh_subject_t *s);
static void wh_doctor_progress(wh_doctor_t *d, const wh_subject_t *s);
static int wh_doctor_partition(wh_doctor_t *d, const wh_subject_t *s,
    int32_t partition, int64_t *lag);
static void wh_doctor_times(wh_doctor_t *d, const wh_subject_t *s);
static int wh_doctor_at(wh_doctor_t *d, const wh_subject_t *s, int64_t ms,
    rd_kafka_topic_partition_list_t **list);
static void wh_doctor_notifications(wh_doctor_t *d, const wh_subject_t *s);
static void wh_doctor_kept(wh_doctor_t *d, const wh_subject_t *s);


void
wh_doctor_topics(wh_doctor_t *d)
{
    wh_subject_t  s;

    if (wh_doctor_topic(d, &s, d->conf->commands_topic)) {
        wh_doctor_rights(d, &s, 1, 0);
        wh_doctor_commands(d, &s);
    }

    if (wh_doctor_topic(d, &s, d->conf->notifications_topic)) {
        wh_doctor_rights(d, &s, 1, 1);
        wh_doctor_notifications(d, &s);
    }

    if (*d->conf->rejections_topic != '\0'
        && wh_doctor_topic(d, &s, d->conf->rejections_topic))
    {
        wh_doctor_rights(d, &s, 0, 1);
        wh_report(d->report, WH_FOUND_OK, s.what, NULL, "%d partition(s)",
                  s.partitions);
    }
}


/* Asks for it, and reports what any topic can be wrong in.  Whether it is there. */

static int
wh_doctor_topic(wh_doctor_t *d, wh_subject_t *s, const char *name)
{
    wh_error_t           err;
    rd_kafka_resp_err_t  e;

    memset(s, 0, sizeof(wh_subject_t));

    s->name = name;
    (void) snprintf(s->what, sizeof(s->what), "topic %s", name);

    if (!wh_doctor_ask(d, s, &e)) {

        if (e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            && d->conf->create_topics && !d->known)
        {
            wh_report(d->report, WH_FOUND_OK, s->what, NULL,
                      "not there; the daemon creates it");
            return 0;
        }

        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                  ? "create it: " WH_DOCTOR_TOPICS : WH_DOCTOR_RIGHTS, "%s",
                  rd_kafka_err2str(e));
        return 0;
    }

    if (wh_topic_get_policy(d->rk, name, &s->policy, &err) != WH_OK) {
        wh_report(d->report, WH_FOUND_WARNING, s->what, NULL, "%s", err.text);

    } else if (!s->policy.known) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "grant DescribeConfigs: " WH_DOCTOR_RIGHTS,
                  "the brokers do not tell its configuration");
    }

    wh_doctor_replicas(d, s);

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
        && ((read && !rights.read) || (write && !rights.write)))
    {
        wh_report(d->report, WH_FOUND_ERROR, s->what, WH_DOCTOR_RIGHTS,
                  "the brokers do not allow the daemon to %s",
                  read && !rights.read ? "read it" : "write to it");
    }
}


static void
wh_doctor_replicas(wh_doctor_t *d, const wh_subject_t *s)
{
    const wh_topic_policy_t  *policy = &s->policy;

    if (s->leaderless > 0) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "bring the brokers back that have them",
                  "%d of %d partitions have no leader", s->leaderless,
                  s->partitions);

    } else if (policy->known && s->in_sync < policy->min_in_sync) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "bring the missing brokers back",
                  "a partition has %d replica(s) in sync, and "
                  "min.insync.replicas is %" PRId64 ": nothing can be "
                  "written to it", s->in_sync, policy->min_in_sync);

    } else if (s->replicas == 1) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "three replicas, with min.insync.replicas 2",
                  "one replica: what is in it is lost with its broker");

    } else if (policy->known && policy->min_in_sync == 1) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "set min.insync.replicas to 2",
                  "min.insync.replicas is 1: what one broker alone has is "
                  "acknowledged, and lost with it");
    }
}


static void
wh_doctor_commands(wh_doctor_t *d, const wh_subject_t *s)
{
    if (s->policy.compact) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "set its cleanup.policy to delete",
                  "it is compacted: compaction deletes commands");
    }

    wh_doctor_progress(d, s);
    wh_doctor_times(d, s);
}


static void
wh_doctor_progress(wh_doctor_t *d, const wh_subject_t *s)
{
    int32_t  i;
    int64_t  lag;

    lag = 0;

    for (i = 0; i < s->partitions; i++) {
        if (!wh_doctor_partition(d, s, i, &lag)) {
            return;
        }
    }

    wh_report(d->report, WH_FOUND_OK, s->what, NULL, "%d partition(s), %"
              PRId64 " command(s) %s", s->partitions, lag,
              d->known ? "wait to be processed" : "in it");
}


/* Adds to lag.  Returns whether it makes sense to go on. */

static int
wh_doctor_partition(wh_doctor_t *d, const wh_subject_t *s, int32_t partition,
    int64_t *lag)
{
    int64_t     low, high, next;
    wh_error_t  err;

    if (wh_query_watermarks(d->rk, s->name, partition, &low, &high, &err)
        != WH_OK)
    {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "every broker has to be reached from here, by the address "
                  "that it advertises", "%s%s%s", err.text,
                  *d->trouble != '\0' ? ": " : "", d->trouble);
        return 0;
    }

    next = wh_positions_get(&d->next, partition);

    if (next == -1) {
        next = low;
    }

    if (next < low) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "skip_trimmed_commands goes on without them; a longer "
                  "retention.ms keeps it from happening again",
                  "commands %" PRId32 ":%" PRId64 " to %" PRId64 " were "
                  "deleted before they were processed", partition, next, low);

    } else if (next > high) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "bring the topic's records back, or move the database away",
                  "partition %" PRId32 " ends at %" PRId64 ", and the "
                  "database has processed it up to %" PRId64, partition, high,
                  next);

    } else {
        *lag += high - next;
    }

    return 1;
}


/* Do commands get too old, and do their times make sense? */

static void
wh_doctor_times(wh_doctor_t *d, const wh_subject_t *s)
{
    int                               i;
    int64_t                           now, next;
    rd_kafka_topic_partition_list_t  *list;

    now = (int64_t) time(NULL) * 1000;

    if (wh_doctor_at(d, s, now + WH_DOCTOR_FUTURE, &list)) {

        for (i = 0; i < list->cnt; i++) {
            if (list->elems[i].offset >= 0) {
                wh_report(d->report, WH_FOUND_WARNING, "clock",
                          "set the clocks of producers and of this machine",
                          "command %" PRId32 ":%" PRId64 " is of the future: "
                          "idempotency keys are kept by these times",
                          list->elems[i].partition, list->elems[i].offset);
                break;
            }
        }

        rd_kafka_topic_partition_list_destroy(list);
    }

    if (!s->policy.deletes || s->policy.retention <= 0
        || !wh_doctor_at(d, s, now - s->policy.retention / 2, &list))
    {
        return;
    }

    for (i = 0; i < list->cnt; i++) {
        next = wh_positions_get(&d->next, list->elems[i].partition);

        if (next >= 0 && list->elems[i].offset > next) {
            wh_report(d->report, WH_FOUND_WARNING, s->what,
                      "have the daemon run; a longer retention.ms gives more "
                      "time",
                      "command %" PRId32 ":%" PRId64 " waits for longer than "
                      "half of retention.ms, past which it is deleted",
                      list->elems[i].partition, next);
            break;
        }
    }

    rd_kafka_topic_partition_list_destroy(list);
}


/* The first offsets of that time or later; an end is RD_KAFKA_OFFSET_END. */

static int
wh_doctor_at(wh_doctor_t *d, const wh_subject_t *s, int64_t ms,
    rd_kafka_topic_partition_list_t **list)
{
    int                               i;
    rd_kafka_topic_partition_list_t  *l;

    l = rd_kafka_topic_partition_list_new(s->partitions);

    for (i = 0; i < s->partitions; i++) {
        rd_kafka_topic_partition_list_add(l, s->name, i)->offset = ms;
    }

    if (rd_kafka_offsets_for_times(d->rk, l, WH_DOCTOR_TIMEOUT)
        == RD_KAFKA_RESP_ERR_NO_ERROR)
    {
        *list = l;
        return 1;
    }

    rd_kafka_topic_partition_list_destroy(l);

    return 0;
}


static void
wh_doctor_notifications(wh_doctor_t *d, const wh_subject_t *s)
{
    int64_t     low, high;
    wh_error_t  err;

    wh_doctor_kept(d, s);

    if (s->partitions != 1) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "it cannot be mended: name another topic, or make this one "
                  "anew while it is empty",
                  "it has %d partitions, and must have one", s->partitions);
        return;
    }

    if (wh_query_watermarks(d->rk, s->name, 0, &low, &high, &err) != WH_OK) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "every broker has to be reached from here, by the address "
                  "that it advertises", "%s", err.text);

    } else if (d->notified > high) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "bring the topic's records back, or move the database away",
                  "it ends at %" PRId64 ", and the database stands for %"
                  PRId64, high, d->notified);

    } else if (d->known && d->notified < low) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "restore a newer backup of the database",
                  "notifications %" PRId64 " to %" PRId64 " were deleted, and "
                  "the database does not stand for them", d->notified, low);

    } else {
        wh_report(d->report, WH_FOUND_OK, s->what, NULL, "%" PRId64 " to %"
                  PRId64, low, high);
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
