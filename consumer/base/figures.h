/*
 * What the daemon does, in figures for its metrics: any thread may add to them,
 * and they are shown as of one moment.  There is one set for the process.
 */

#ifndef WH_FIGURES_H
#define WH_FIGURES_H

#include <stddef.h>
#include <stdint.h>

#include "wh_text.h"


typedef enum {
    WH_STARTING = 0,      /* opening database and handles */
    WH_WAITING,           /* for brokers, or between two sessions */
    WH_CATCHING_UP,       /* recovering, rebuilding */
    WH_PROCESSING,
    WH_STATES
} wh_state_t;


/* One batch that went through, or what else was counted. */

typedef struct {
    int64_t  applied;
    int64_t  refused;
    int64_t  duplicates;
    int64_t  malformed;
    int64_t  us;            /* from reading the items to SQLite's COMMIT */
} wh_batch_figures_t;


void wh_figures_state(wh_state_t state);

void wh_figures_batch(const wh_batch_figures_t *batch);

/* Slices read again after a lost race; sessions that ended in trouble. */
void wh_figures_conflict(void);
void wh_figures_restart(void);

/* Notifications that recovery read, and those it applied. */
void wh_figures_recovered(uint64_t read, uint64_t applied);

/* The first offset of notifications that the database does not stand for. */
void wh_figures_notified(int64_t next);

/* Idempotency keys that the database remembers, at most. */
void wh_figures_keys(int64_t keys);

/* Commands whose outcome the database keeps, at most. */
void wh_figures_outcomes(int64_t outcomes);

/* A partition of commands. */

typedef struct {
    int32_t  partition;
    int64_t  next;          /* the first offset that is not processed */
    int64_t  end;           /* of the partition; -1: not known */
} wh_partition_t;

/*
 * All of them; the list, made with malloc(), is taken over.  Where nothing is
 * left to process, that is progress, too.
 */
void wh_figures_partitions(wh_partition_t *list, int32_t n);


/* Puts state and lag for people to read, in one line without its end. */
void wh_figures_put_status(wh_text_t *text);

/* How many bytes wh_figures_put() may put. */
size_t wh_figures_size(void);

/*
 * Puts all of them as Prometheus' text.  topic is that of the commands;
 * database and log are the sizes of the files in bytes, -1: unknown.
 */
void wh_figures_put(wh_text_t *text, const char *topic, int64_t database,
    int64_t log);


#endif
