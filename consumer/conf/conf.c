#include "conf/conf.h"
#include "wh_credential.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>


typedef enum {
    WH_CONF_STRING,
    WH_CONF_NUMBER,
    WH_CONF_SIZE,          /* bytes, with an optional k or m */
    WH_CONF_MODE,          /* octal */
    WH_CONF_FLAG,          /* yes or no */
    WH_CONF_OFFSET         /* a number or none: -1 */
} wh_conf_type_t;


typedef struct {
    const char      *name;
    wh_conf_type_t   type;
    size_t           offset;
    int64_t          min;
    int64_t          max;
    const char      *value;        /* default */
    const char      *help;
} wh_conf_key_t;


static const wh_conf_key_t  wh_conf_keys[] = {

    { "database", WH_CONF_STRING, offsetof(wh_conf_t, database), 0, 0,
      "/var/lib/warehouse/warehouse.db",
      "path of the SQLite database" },

    { "database_mode", WH_CONF_MODE, offsetof(wh_conf_t, database_mode),
      0600, 0666, "0640",
      "permissions of a new database; nginx's workers have to read it" },

    { "database_cache", WH_CONF_SIZE, offsetof(wh_conf_t, database_cache),
      1 << 20, (int64_t) 1 << 40, "32m",
      "memory for the database's pages" },

    { "commands_topic", WH_CONF_STRING, offsetof(wh_conf_t, commands_topic),
      0, 0, "commands",
      "topic the commands are read from" },

    { "notifications_topic", WH_CONF_STRING,
      offsetof(wh_conf_t, notifications_topic), 0, 0, "notifications",
      "topic the notifications are written to; one partition" },

    { "rejections_topic", WH_CONF_STRING,
      offsetof(wh_conf_t, rejections_topic), 0, 0, "",
      "topic that refused, duplicate and malformed commands are written to" },

    { "group_id", WH_CONF_STRING, offsetof(wh_conf_t, group_id), 0, 0,
      "warehouse",
      "group.id, group.instance.id and transactional.id of this daemon" },

    { "create_topics", WH_CONF_FLAG, offsetof(wh_conf_t, create_topics),
      0, 1, "yes",
      "create topics that are missing, with the settings they need" },

    { "batch_size", WH_CONF_NUMBER, offsetof(wh_conf_t, batch_size),
      1, 100000, "50000",
      "most commands in one transaction" },

    { "batch_wait", WH_CONF_NUMBER, offsetof(wh_conf_t, batch_wait),
      0, 1000, "20",
      "ms that a batch waits at most for more commands, where many come" },

    { "idempotency_retention", WH_CONF_NUMBER,
      offsetof(wh_conf_t, idempotency_retention), 1, 366 * 86400, "86400",
      "seconds an idempotency key is remembered, by the commands' time" },

    { "idempotency_keys", WH_CONF_NUMBER,
      offsetof(wh_conf_t, idempotency_keys), 1, 1000000000, "1000000",
      "most idempotency keys remembered; the oldest go first" },

    { "outcomes", WH_CONF_NUMBER, offsetof(wh_conf_t, outcomes),
      0, 100000000, "100000",
      "most outcomes of commands kept for who asks; the oldest go first" },

    { "wal_limit", WH_CONF_SIZE, offsetof(wh_conf_t, wal_limit),
      1 << 20, INT64_C(1) << 40, "64m",
      "size of the write-ahead log past which it is truncated" },

    { "skip_trimmed_commands", WH_CONF_FLAG,
      offsetof(wh_conf_t, skip_trimmed_commands), 0, 1, "no",
      "go on where the broker has deleted commands that were not processed" },

    { "skip_notification", WH_CONF_OFFSET,
      offsetof(wh_conf_t, skip_notification), 0, INT64_MAX, "none",
      "offset of a record in notifications_topic to pass over if it is none" },

    { "log", WH_CONF_STRING, offsetof(wh_conf_t, log), 0, 0, "stderr",
      "file the log goes to, or stderr" },

    { "pid_file", WH_CONF_STRING, offsetof(wh_conf_t, pid_file), 0, 0, "",
      "file the process id is written to" },
};

#define WH_CONF_NKEYS  (sizeof(wh_conf_keys) / sizeof(wh_conf_keys[0]))


/* properties whose value the guarantees depend on; "*" ends a prefix */

static const char  *wh_conf_reserved[] = {
    "acks", "allow.auto.create.topics", "request.required.acks",
    "auto.commit.enable",
    "auto.offset.reset", "delivery.report.only.error",
    "enable.auto.commit", "enable.auto.offset.store", "enable.gapless.guarantee",
    "enable.idempotence", "enable.partition.eof", "group.id",
    "group.instance.id", "group.protocol", "isolation.level", "log.queue",
    "max.in.flight", "max.in.flight.requests.per.connection",
    "message.timeout.ms", "delivery.timeout.ms",
    "partition.assignment.strategy", "partitioner", "retries",
    "message.send.max.retries", "statistics.interval.ms", "test.mock.*",
    "transactional.id",
};


static int wh_conf_topic(const char *key, const char *topic,
    wh_error_t *err);
static const wh_conf_key_t *wh_conf_find(const char *name);
static int wh_conf_number(const wh_conf_key_t *key, const char *value,
    int64_t *number);
static int wh_conf_property(wh_conf_t *conf, const char *name,
    const char *value, wh_error_t *err);
static int wh_conf_reserves(const char *name, size_t len);


int
wh_conf_init(wh_conf_t *conf, wh_error_t *err)
{
    int     rc;
    size_t  i;

    memset(conf, 0, sizeof(wh_conf_t));

    for (i = 0; i < WH_CONF_NKEYS; i++) {
        rc = wh_conf_set(conf, wh_conf_keys[i].name, wh_conf_keys[i].value,
                         err);
        if (rc != WH_OK) {
            return rc;
        }
    }

    return WH_OK;
}


void
wh_conf_free(wh_conf_t *conf)
{
    size_t  i;

    for (i = 0; i < WH_CONF_NKEYS; i++) {
        if (wh_conf_keys[i].type == WH_CONF_STRING) {
            free(*(char **) ((char *) conf + wh_conf_keys[i].offset));
        }
    }

    for (i = 0; i < conf->nproperties; i++) {
        free(conf->properties[i].name);
        free(conf->properties[i].value);
    }

    free(conf->properties);
    memset(conf, 0, sizeof(wh_conf_t));
}


int
wh_conf_set(wh_conf_t *conf, const char *key, const char *value,
    wh_error_t *err)
{
    char                 *copy, **string;
    int64_t               number;
    const wh_conf_key_t  *k;

    if (strncmp(key, "kafka.", 6) == 0) {
        return wh_conf_property(conf, key + 6, value, err);
    }

    k = wh_conf_find(key);
    if (k == NULL) {
        return wh_error_set(err, WH_ERROR, "unknown key \"%s\"", key);
    }

    if (k->type != WH_CONF_STRING) {

        if (wh_conf_number(k, value, &number) != WH_OK) {
            return wh_error_set(err, WH_ERROR, "invalid value \"%s\" of \"%s\"",
                                value, key);
        }

        *(int64_t *) ((char *) conf + k->offset) = number;

        return WH_OK;
    }

    if (*value == '\0' && *k->value != '\0') {
        return wh_error_set(err, WH_ERROR, "\"%s\" is empty", key);
    }

    copy = strdup(value);
    if (copy == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    string = (char **) ((char *) conf + k->offset);
    free(*string);
    *string = copy;

    return WH_OK;
}


static const wh_conf_key_t *
wh_conf_find(const char *name)
{
    size_t  i;

    for (i = 0; i < WH_CONF_NKEYS; i++) {
        if (strcmp(wh_conf_keys[i].name, name) == 0) {
            return &wh_conf_keys[i];
        }
    }

    return NULL;
}


static int
wh_conf_number(const wh_conf_key_t *key, const char *value, int64_t *number)
{
    char       *end;
    long long   n;

    if (key->type == WH_CONF_FLAG) {
        *number = (strcmp(value, "yes") == 0);
        return (*number || strcmp(value, "no") == 0) ? WH_OK : WH_ERROR;
    }

    if (key->type == WH_CONF_OFFSET && strcmp(value, "none") == 0) {
        *number = -1;
        return WH_OK;
    }

    if (*value < '0' || *value > '9') {
        return WH_ERROR;
    }

    errno = 0;
    n = strtoll(value, &end, key->type == WH_CONF_MODE ? 8 : 10);

    if (errno != 0) {
        return WH_ERROR;
    }

    if (key->type == WH_CONF_SIZE && *end != '\0') {
        if (n > (INT64_MAX >> 20)) {
            return WH_ERROR;
        }

        if (*end == 'k' || *end == 'K') {
            n <<= 10;
            end++;

        } else if (*end == 'm' || *end == 'M') {
            n <<= 20;
            end++;
        }
    }

    if (*end != '\0' || n < key->min || n > key->max) {
        return WH_ERROR;
    }

    *number = n;

    return WH_OK;
}


int
wh_conf_secret(const char *key)
{
    return strncmp(key, "kafka.", 6) == 0
           && wh_credential(key + 6, strlen(key + 6)) == WH_CREDENTIAL_SECRET;
}


/* The value itself is judged by librdkafka, in wh_client_check(). */

static int
wh_conf_property(wh_conf_t *conf, const char *name, const char *value,
    wh_error_t *err)
{
    size_t          i, len;
    wh_property_t  *p;

    len = wh_credential_file(name, strlen(name));
    len = (len > 0) ? len : strlen(name);

    if (wh_conf_reserves(name, len)) {
        return wh_error_set(err, WH_ERROR, "\"kafka.%s\" is reserved: the "
                            "guarantees depend on its value", name);
    }

    for (i = 0; i < conf->nproperties; i++) {
        p = &conf->properties[i];

        if (strlen(p->name) == len && memcmp(p->name, name, len) == 0) {
            break;
        }
    }

    if (i == conf->nproperties) {
        p = realloc(conf->properties, (i + 1) * sizeof(wh_property_t));
        if (p == NULL) {
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }

        conf->properties = p;
        p[i].value = NULL;
        p[i].name = strndup(name, len);

        if (p[i].name == NULL) {
            return wh_error_set(err, WH_NOMEM, "out of memory");
        }

        conf->nproperties++;
    }

    p = &conf->properties[i];

    free(p->value);
    p->file = (name[len] != '\0');
    p->value = strdup(value);

    if (p->value == NULL) {
        return wh_error_set(err, WH_NOMEM, "out of memory");
    }

    return WH_OK;
}


static int
wh_conf_reserves(const char *name, size_t len)
{
    size_t       i, n;
    const char  *reserved;

    for (i = 0; i < sizeof(wh_conf_reserved) / sizeof(char *); i++) {
        reserved = wh_conf_reserved[i];
        n = strlen(reserved);

        if (reserved[n - 1] == '*'
            ? strncmp(name, reserved, n - 1) == 0
            : n == len && memcmp(name, reserved, n) == 0)
        {
            return 1;
        }
    }

    return 0;
}


int
wh_conf_check(const wh_conf_t *conf, wh_error_t *err)
{
    size_t  i, k;

    const struct {
        const char  *key;
        const char  *topic;
    } topics[] = {
        { "commands_topic", conf->commands_topic },
        { "notifications_topic", conf->notifications_topic },
        { "rejections_topic", conf->rejections_topic },
    };

    for (i = 0; i < 3; i++) {
        if (wh_conf_topic(topics[i].key, topics[i].topic, err) != WH_OK) {
            return WH_ERROR;
        }

        for (k = 0; k < i; k++) {
            if (strcmp(topics[k].topic, topics[i].topic) == 0) {
                return wh_error_set(err, WH_ERROR, "\"%s\" and \"%s\" are "
                                    "the same", topics[k].key, topics[i].key);
            }
        }
    }

    for (i = 0; i < conf->nproperties; i++) {
        if (strcmp(conf->properties[i].name, "bootstrap.servers") == 0
            || strcmp(conf->properties[i].name, "metadata.broker.list") == 0)
        {
            return WH_OK;
        }
    }

    return wh_error_set(err, WH_ERROR,
                        "\"kafka.bootstrap.servers\" is not set");
}


/* Kafka's own rule for the names of topics. */

static int
wh_conf_topic(const char *key, const char *topic, wh_error_t *err)
{
    size_t  len;

    len = strlen(topic);

    if (len > 249
        || strspn(topic, "abcdefghijklmnopqrstuvwxyz"
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
           != len
        || strcmp(topic, ".") == 0 || strcmp(topic, "..") == 0)
    {
        return wh_error_set(err, WH_ERROR, "\"%s\": \"%s\" is not the name "
                            "of a topic", key, topic);
    }

    return WH_OK;
}


void
wh_conf_help(FILE *out)
{
    size_t  i;

    for (i = 0; i < WH_CONF_NKEYS; i++) {
        fprintf(out, "  %-22s %s\n  %-22s (default: %s)\n",
                wh_conf_keys[i].name, wh_conf_keys[i].help, "",
                *wh_conf_keys[i].value ? wh_conf_keys[i].value : "none");
    }

    fprintf(out, "  %-22s a librdkafka property of all clients\n"
            "  %-22s the file that has its value, such as a password\n",
            "kafka.<property>", "kafka.<property>_file");
}
