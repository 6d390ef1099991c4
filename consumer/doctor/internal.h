/*
 * What the parts of doctor share: host.c (this machine), database.c and
 * access.c (the file, and who may read it), brokers.c, topics.c and progress.c
 * (Kafka; where the database is in the topics).  Included by nobody else.
 */

#ifndef WH_DOCTOR_INTERNAL_H
#define WH_DOCTOR_INTERNAL_H

#include <librdkafka/rdkafka.h>

#include "doctor/doctor.h"
#include "kafka/positions.h"
#include "kafka/topic.h"


#define WH_DOCTOR_ID       64       /* bytes for a cluster's id */
#define WH_DOCTOR_TIMEOUT  10000    /* ms for an answer */
#define WH_DOCTOR_WHAT     300      /* bytes: "topic " and its name */

#define WH_DOCTOR_RIGHTS   "docs/security.md has the rights that are needed"


typedef struct {
    const wh_doctor_args_t  *args;
    const wh_conf_t         *conf;
    wh_report_t             *report;

    int                      unusable;      /* what librdkafka is to have */
    int                      running;       /* a daemon has the lock */
    int                      fresh;         /* one wrote its metrics just now */
    int                      alone;         /* the database is read without locks */

    /* what the database has, once it was read */
    int                      known;         /* false: nothing */
    char                     cluster[WH_DOCTOR_ID];
    wh_positions_t           next;          /* in commands */
    int64_t                  notified;      /* -1: not known */

    rd_kafka_t              *rk;            /* of kind WH_CLIENT_WATCHER */
    char                     trouble[256];  /* librdkafka's last words */
} wh_doctor_t;


/* A topic as the brokers have it. */

typedef struct {
    const char         *name;
    char                what[WH_DOCTOR_WHAT];
    int                 partitions;
    int                 leaderless;       /* partitions */
    int                 replicas;         /* the fewest of a partition, ... */
    int                 in_sync;          /* ... and the fewest in sync */
    int                 behind;           /* partitions with some not in sync */
    wh_topic_policy_t   policy;
} wh_subject_t;


/* Each reports what it finds, and takes what is missing for granted. */

void wh_doctor_host(wh_doctor_t *d);
void wh_doctor_database(wh_doctor_t *d);

/* The process of the daemon that works on the database now; 0: none. */
int wh_doctor_running(const wh_doctor_t *d);

void wh_doctor_access(wh_doctor_t *d);

/* For what librdkafka says of a question: the advice, if it is about rights. */
const char *wh_doctor_advice(const char *text);

/* Returns whether there are brokers to ask more. */
int wh_doctor_brokers(wh_doctor_t *d);
void wh_doctor_topics(wh_doctor_t *d);
void wh_doctor_group(wh_doctor_t *d);

/* Of topics.c's topics with a leader each: what is to be read, and is gone. */
void wh_doctor_commands(wh_doctor_t *d, const wh_subject_t *s);
void wh_doctor_notifications(wh_doctor_t *d, const wh_subject_t *s);


#endif
