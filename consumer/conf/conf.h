/*
 * The daemon's configuration: a file of "key = value" lines and --key=value
 * arguments, both checked against one table.
 */

#ifndef WH_CONF_H
#define WH_CONF_H

#include <stdint.h>
#include <stdio.h>

#include "wh_error.h"


typedef struct {
    char    *name;       /* a librdkafka property, without "kafka." */
    char    *value;
    int      file;       /* value is the name of the file that has it */
} wh_property_t;


typedef struct {
    char           *database;
    int64_t         database_mode;          /* permission bits */
    int64_t         database_cache;         /* bytes */
    char           *commands_topic;
    char           *notifications_topic;
    char           *rejections_topic;       /* "": none */
    char           *group_id;
    int64_t         batch_size;             /* commands */
    int64_t         batch_wait;             /* ms */
    int64_t         idempotency_retention;  /* seconds */
    int64_t         idempotency_keys;       /* number */
    int64_t         outcomes;               /* number */
    int64_t         wal_limit;              /* bytes */
    int64_t         create_topics;          /* 0 or 1 */
    int64_t         skip_trimmed_commands;  /* 0 or 1 */
    int64_t         skip_notification;      /* an offset; -1: none */
    char           *log;
    char           *pid_file;

    wh_property_t  *properties;
    size_t          nproperties;
} wh_conf_t;


/*
 * Fills conf with the defaults.  wh_conf_free() releases what conf owns,
 * after a failure too.  WH_OK, WH_NOMEM.
 */
int wh_conf_init(wh_conf_t *conf, wh_error_t *err);
void wh_conf_free(wh_conf_t *conf);

/*
 * In file.c: reads the file at path over what conf holds.  WH_OK;
 * WH_ERROR: err names file, line and key.
 */
int wh_conf_read(wh_conf_t *conf, const char *path, wh_error_t *err);

/*
 * Sets one key: an entry of the table, "kafka.<librdkafka property>", or one of
 * those in wh_credential.h with "_file" behind it, where value names a file.
 * WH_OK; WH_ERROR: unknown key, reserved property, value out of range.
 */
int wh_conf_set(wh_conf_t *conf, const char *key, const char *value,
    wh_error_t *err);

/* Whether key's value is one that only its owner may know. */
int wh_conf_secret(const char *key);

/*
 * Checks what only the whole shows: topics have names, and different ones;
 * kafka.bootstrap.servers is there.
 * WH_OK, WH_ERROR.
 */
int wh_conf_check(const wh_conf_t *conf, wh_error_t *err);

/* Prints the table's keys, defaults and meanings. */
void wh_conf_help(FILE *out);


#endif
