#include "doctor/internal.h"
#include "kafka/query.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>


#define WH_DOCTOR_FUTURE   60000    /* ms that a record's time may be ahead */

#define WH_DOCTOR_REACH    "every broker has to be reached from here, by the " \
                           "address that it advertises"


/* Where the commands' partitions go on, as wh_start_store() decides it. */

typedef struct {
    wh_positions_t   next;
    wh_positions_t   end;       /* high watermarks */
    int64_t          lag;       /* commands to be processed */
    int              empty;     /* there are no notifications */
    int              unread;    /* there are some that the database lacks */
} wh_progress_t;


static int wh_doctor_progress(wh_doctor_t *d, const wh_subject_t *s,
    wh_progress_t *p);
static void wh_doctor_unread(wh_doctor_t *d, wh_progress_t *p);
static int wh_doctor_partition(wh_doctor_t *d, const wh_subject_t *s,
    wh_progress_t *p, const rd_kafka_topic_partition_t *group);
static int wh_doctor_within(wh_doctor_t *d, const wh_subject_t *s,
    const wh_progress_t *p, int32_t partition, int64_t low);
static int wh_doctor_watermarks(wh_doctor_t *d, const wh_subject_t *s,
    int32_t partition, int64_t position, int64_t *low, int64_t *high);
static void wh_doctor_future(wh_doctor_t *d, const wh_subject_t *s);
static void wh_doctor_old(wh_doctor_t *d, const wh_subject_t *s,
    const wh_progress_t *p);
static int wh_doctor_at(wh_doctor_t *d, const wh_subject_t *s, int64_t ms,
    rd_kafka_topic_partition_list_t **list);


void
wh_doctor_commands(wh_doctor_t *d, const wh_subject_t *s)
{
    wh_progress_t  p;

    memset(&p, 0, sizeof(wh_progress_t));

    if (wh_doctor_progress(d, s, &p)) {
        wh_report(d->report, WH_FOUND_OK, s->what, NULL, "%d partition(s), %"
                  PRId64 " command(s) %s", s->partitions, p.lag,
                  d->known ? "wait to be processed" : "in it");

        wh_doctor_future(d, s);
        wh_doctor_old(d, s, &p);
    }

    wh_positions_free(&p.next);
    wh_positions_free(&p.end);
}


/* Returns whether all commands that are to be processed are there. */

static int
wh_doctor_progress(wh_doctor_t *d, const wh_subject_t *s, wh_progress_t *p)
{
    int                               i, whole;
    wh_error_t                        err;
    rd_kafka_topic_partition_list_t  *group;

    wh_doctor_unread(d, p);

    if (wh_query_committed(d->rk, s->name, s->partitions, &group, &err)
        != WH_OK)
    {
        /* wh_doctor_group() reports it */
        return 0;
    }

    whole = 1;

    for (i = 0; whole && i < group->cnt; i++) {
        whole = wh_doctor_partition(d, s, p, &group->elems[i]);
    }

    rd_kafka_topic_partition_list_destroy(group);

    return whole;
}


/* Notifications that are still to be read may tell of commands processed. */

static void
wh_doctor_unread(wh_doctor_t *d, wh_progress_t *p)
{
    int          partitions;
    int64_t      low, high;
    wh_error_t   err;
    const char  *topic = d->conf->notifications_topic;

    if (wh_query_partitions(d->rk, topic, &partitions, &err) == WH_NONE) {
        p->empty = 1;
        return;
    }

    if (wh_query_watermarks(d->rk, topic, 0, &low, &high, &err) == WH_OK) {
        p->empty = (high == 0);
        p->unread = (high > 0 && d->notified < high);
    }
}


static int
wh_doctor_partition(wh_doctor_t *d, const wh_subject_t *s, wh_progress_t *p,
    const rd_kafka_topic_partition_t *group)
{
    int64_t     low, high, next;
    wh_error_t  err;

    next = wh_positions_get(&d->next, group->partition);

    if (group->offset > next) {
        next = group->offset;
    }

    if (next < 0) {
        next = 0;
    }

    if (!wh_doctor_watermarks(d, s, group->partition, next, &low, &high)) {
        return 0;
    }

    /* no notification, no stock: the daemon begins anew */

    if (!d->known && p->empty && next <= high) {
        next = 0;
    }

    if (wh_positions_set(&p->next, group->partition, next, &err) != WH_OK
        || wh_positions_set(&p->end, group->partition, high, &err) != WH_OK)
    {
        wh_report(d->report, WH_FOUND_ERROR, s->what, NULL, "%s", err.text);
        return 0;
    }

    p->lag += high - next;

    return wh_doctor_within(d, s, p, group->partition, low);
}


static int
wh_doctor_within(wh_doctor_t *d, const wh_subject_t *s,
    const wh_progress_t *p, int32_t partition, int64_t low)
{
    int64_t  next, high;

    next = wh_positions_get(&p->next, partition);
    high = wh_positions_get(&p->end, partition);

    if (next > high) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "bring the topic's records back; to go on with the stock as "
                  "it is, have the commands written to a topic of another name "
                  "and set commands_topic to it",
                  "partition %" PRId32 " ends at %" PRId64 ", and the "
                  "database has processed it up to %" PRId64, partition, high,
                  next);
        return 0;
    }

    if (next >= low) {
        return 1;
    }

    if (d->conf->skip_trimmed_commands) {
        wh_report(d->report, WH_FOUND_WARNING, s->what, NULL,
                  "commands %" PRId32 ":%" PRId64 " to %" PRId64 " are "
                  "deleted, and skip_trimmed_commands passes over them",
                  partition, next, low - 1);

    } else if (p->unread) {
        wh_report(d->report, WH_FOUND_WARNING, s->what,
                  "start the daemon, which reads them",
                  "commands %" PRId32 ":%" PRId64 " to %" PRId64 " are "
                  "deleted; whether they were processed stands in the "
                  "notifications that the database lacks", partition, next,
                  low - 1);

    } else {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "skip_trimmed_commands goes on without them; a longer "
                  "retention.ms keeps it from happening again",
                  "commands %" PRId32 ":%" PRId64 " to %" PRId64 " were "
                  "deleted before they were processed", partition, next,
                  low - 1);
    }

    return 0;
}


void
wh_doctor_notifications(wh_doctor_t *d, const wh_subject_t *s)
{
    int64_t  low, high, next;

    if (s->partitions != 1) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "it cannot be mended: name another topic, or make this one "
                  "anew while it is empty",
                  "it has %d partitions, and must have one", s->partitions);
        return;
    }

    next = (d->notified > 0) ? d->notified : 0;

    if (!wh_doctor_watermarks(d, s, 0, next, &low, &high)) {
        return;
    }

    if (next > high) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  "bring the topic's records back; to go on with the stock of "
                  "the database, set notifications_topic to a new, empty topic "
                  "(the stock from before it cannot be rebuilt from Kafka "
                  "then: keep backups)",
                  "it ends at %" PRId64 ", and the database stands for %"
                  PRId64, high, next);

    } else if (next < low) {
        wh_report(d->report, WH_FOUND_ERROR, s->what,
                  d->known ? "restore a newer backup of the database"
                           : "restore a backup of the database",
                  "notifications %" PRId64 " to %" PRId64 " were deleted, and "
                  "%s", next, low - 1,
                  d->known ? "the database does not stand for them"
                           : "there is no database that stands for them");

    } else {
        wh_report(d->report, WH_FOUND_OK, s->what, NULL, "%" PRId64 " to %"
                  PRId64, low, high);
    }
}


/* Reports why there is no answer. */

static int
wh_doctor_watermarks(wh_doctor_t *d, const wh_subject_t *s, int32_t partition,
    int64_t position, int64_t *low, int64_t *high)
{
    wh_error_t  err;

    d->trouble[0] = '\0';

    if (wh_query_watermarks_past(d->rk, s->name, partition, position, low,
                                 high, &err)
        == WH_OK)
    {
        return 1;
    }

    (void) rd_kafka_poll(d->rk, 0);

    wh_report(d->report, WH_FOUND_ERROR, s->what, WH_DOCTOR_REACH, "%s%s%s",
              err.text, *d->trouble != '\0' ? ": " : "", d->trouble);

    return 0;
}


static void
wh_doctor_future(wh_doctor_t *d, const wh_subject_t *s)
{
    int                               i;
    rd_kafka_topic_partition_list_t  *list;

    if (!wh_doctor_at(d, s, (int64_t) time(NULL) * 1000 + WH_DOCTOR_FUTURE,
                      &list))
    {
        return;
    }

    for (i = 0; i < list->cnt; i++) {
        if (list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR
            && list->elems[i].offset >= 0)
        {
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


/* Do commands wait so long that they may be deleted? */

static void
wh_doctor_old(wh_doctor_t *d, const wh_subject_t *s, const wh_progress_t *p)
{
    int                               i;
    int64_t                           next, young;
    const rd_kafka_topic_partition_t *t;
    rd_kafka_topic_partition_list_t  *list;

    if (!d->known || !s->policy.deletes || s->policy.retention <= 0
        || !wh_doctor_at(d, s, (int64_t) time(NULL) * 1000
                               - s->policy.retention / 2, &list))
    {
        return;
    }

    for (i = 0; i < list->cnt; i++) {
        t = &list->elems[i];

        if (t->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            continue;
        }

        next = wh_positions_get(&p->next, t->partition);

        /* the first that is younger; an end says that there is none */
        young = (t->offset >= 0) ? t->offset
                                 : wh_positions_get(&p->end, t->partition);

        if (next < young) {
            wh_report(d->report, WH_FOUND_WARNING, s->what,
                      "have the daemon run; a longer retention.ms gives more "
                      "time",
                      "command %" PRId32 ":%" PRId64 " waits for longer than "
                      "half of retention.ms, past which it is deleted",
                      t->partition, next);
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
