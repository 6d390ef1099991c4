#include "ngx_http_warehouse_kafka.h"
#include "ngx_http_warehouse_secret.h"

#include "wh_credential.h"


typedef struct {
    const char  *name;       /* a trailing "*" stands for any ending */
    const char  *reason;
} ngx_http_warehouse_reserved_t;


static ngx_uint_t ngx_http_warehouse_kafka_file(ngx_str_t *name,
    ngx_str_t *property);
static ngx_uint_t ngx_http_warehouse_kafka_missing(ngx_conf_t *cf,
    ngx_str_t *name, ngx_str_t *value);
static const char *ngx_http_warehouse_kafka_reserved(ngx_str_t *name);
static ngx_int_t ngx_http_warehouse_kafka_begin(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka);
static void ngx_http_warehouse_kafka_cleanup(void *data);
static ngx_int_t ngx_http_warehouse_kafka_set_all(ngx_conf_t *cf,
    rd_kafka_conf_t *properties, ngx_keyval_t *kv, ngx_uint_t n);
static char *ngx_http_warehouse_kafka_set(ngx_conf_t *cf,
    rd_kafka_conf_t *properties, ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_http_warehouse_kafka_limits(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka);
static ngx_int_t ngx_http_warehouse_kafka_number(
    ngx_http_warehouse_kafka_t *kafka, const char *name);
static ngx_int_t ngx_http_warehouse_kafka_try(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka);
static void ngx_http_warehouse_kafka_log(const rd_kafka_t *rk, int level,
    const char *fac, const char *text);


/* what the guarantees rest on, or what librdkafka does for us elsewhere */

static const ngx_http_warehouse_reserved_t  ngx_http_warehouse_reserved[] = {
    { "acks", "200 means that all in-sync replicas have the command" },
    { "request.required.acks",
      "200 means that all in-sync replicas have the command" },
    { "allow.auto.create.topics",
      "brokers would give the topic settings that lose commands" },
    { "enable.idempotence", "a command is written once" },
    { "enable.gapless.guarantee",
      "a command that is refused would end a producer for all" },
    { "transactional.id", "the module does not use transactions" },
    { "delivery.report.only.error", "replies wait for delivery reports" },
    { "partitioner", "other producers have to agree on it" },
    { "log.queue", "it is set by the module" },
    { "statistics.interval.ms", "it is set by the module" },
    { "test.mock.*", "commands have to reach real brokers" },
};


/* what the configuration may change */

static ngx_keyval_t  ngx_http_warehouse_defaults[] = {
    { ngx_string("client.id"), ngx_string("warehouse-nginx") },
    { ngx_string("linger.ms"), ngx_string("0.5") },
    { ngx_string("message.timeout.ms"), ngx_string("5000") },
    { ngx_string("socket.nagle.disable"), ngx_string("true") },

    /* what tells that brokers can be reached where there is no traffic */
    { ngx_string("topic.metadata.refresh.interval.ms"), ngx_string("3000") },
};


static ngx_keyval_t  ngx_http_warehouse_fixed[] = {
    { ngx_string("enable.idempotence"), ngx_string("true") },
    { ngx_string("acks"), ngx_string("all") },
    { ngx_string("allow.auto.create.topics"), ngx_string("false") },
    { ngx_string("partitioner"), ngx_string("murmur2_random") },
    { ngx_string("log.queue"), ngx_string("true") },
    { ngx_string("statistics.interval.ms"), ngx_string("1000") },
};


/* what librdkafka takes at most: 24 days */

static ngx_keyval_t  ngx_http_warehouse_patient = {
    ngx_string("message.timeout.ms"), ngx_string("2147483647")
};


ngx_int_t
ngx_http_warehouse_kafka_init(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka)
{
    return ngx_array_init(&kafka->topics, cf->pool, 1, sizeof(ngx_str_t));
}


char *
ngx_http_warehouse_kafka_property(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka, ngx_str_t *name, ngx_str_t *value)
{
    ngx_str_t    text, key;
    const char  *reason;

    if (ngx_http_warehouse_kafka_file(name, &key)) {

        if (ngx_http_warehouse_secret_read(cf, value, &text) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        name = &key;
        value = &text;
    }

    reason = ngx_http_warehouse_kafka_reserved(name);

    if (reason != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "kafka property \"%V\" is reserved: %s", name,
                           reason);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_warehouse_kafka_begin(cf, kafka) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_strcmp(name->data, "bootstrap.servers") == 0
        || ngx_strcmp(name->data, "metadata.broker.list") == 0)
    {
        if (value->len == 0) {
            return "has no value";
        }

        /* without it a producer connects to nobody: "nginx -t" relies on it */
        kafka->brokers = *value;

        return NGX_CONF_OK;
    }

    if (ngx_http_warehouse_kafka_missing(cf, name, value)) {
        return NGX_CONF_ERROR;
    }

    return ngx_http_warehouse_kafka_set(cf, kafka->properties, name, value);
}


/* librdkafka would not say which file it is that cannot be opened. */

static ngx_uint_t
ngx_http_warehouse_kafka_missing(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_uint_t       i;
    ngx_file_info_t  fi;

    static const char  *names[] = {
        "ssl.ca.location", "ssl.certificate.location", "ssl.crl.location",
        "ssl.keystore.location"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (ngx_strcmp(name->data, names[i]) == 0
            && ngx_strcmp(value->data, "probe") != 0
            && ngx_file_info(value->data, &fi) == NGX_FILE_ERROR)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               "kafka property \"%V\": \"%V\"", name, value);
            return 1;
        }
    }

    return 0;
}


/*
 * Whether the value lies in a file that the master reads now: workers may not be
 * able to.  Then property is the one that is meant.
 */

static ngx_uint_t
ngx_http_warehouse_kafka_file(ngx_str_t *name, ngx_str_t *property)
{
    size_t  len;

    if (ngx_strcmp(name->data, "ssl.key.location") == 0) {
        ngx_str_set(property, "ssl.key.pem");
        return 1;
    }

    len = wh_credential_file((char *) name->data, name->len);

    if (len == 0) {
        return 0;
    }

    name->len = len;
    name->data[len] = '\0';
    *property = *name;

    return 1;
}


/* Why it may not be set; NULL: it may. */

static const char *
ngx_http_warehouse_kafka_reserved(ngx_str_t *name)
{
    size_t                                len;
    ngx_uint_t                            i;
    const ngx_http_warehouse_reserved_t  *reserved;

    for (i = 0; i < sizeof(ngx_http_warehouse_reserved)
                    / sizeof(ngx_http_warehouse_reserved_t); i++)
    {
        reserved = &ngx_http_warehouse_reserved[i];
        len = ngx_strlen(reserved->name);

        if (reserved->name[len - 1] == '*'
            ? ngx_strncmp(name->data, reserved->name, len - 1) == 0
            : ngx_strcmp(name->data, reserved->name) == 0)
        {
            return reserved->reason;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_warehouse_kafka_begin(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka)
{
    ngx_pool_cleanup_t  *cln;

    if (kafka->properties != NULL) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    kafka->properties = rd_kafka_conf_new();

    cln->handler = ngx_http_warehouse_kafka_cleanup;
    cln->data = kafka->properties;

    /*
     * From 2.5 to 2.9 rd_kafka_destroy() can miss the signal that pushing
     * metrics has ended, and waits a second for it; unknown before.
     */

    if (rd_kafka_version() < 0x020a0000) {
        (void) rd_kafka_conf_set(kafka->properties, "enable.metrics.push",
                                 "false", NULL, 0);
    }

    return ngx_http_warehouse_kafka_set_all(cf, kafka->properties,
                                            ngx_http_warehouse_defaults,
                                            sizeof(ngx_http_warehouse_defaults)
                                            / sizeof(ngx_keyval_t));
}


static void
ngx_http_warehouse_kafka_cleanup(void *data)
{
    rd_kafka_conf_destroy(data);
}


static ngx_int_t
ngx_http_warehouse_kafka_set_all(ngx_conf_t *cf, rd_kafka_conf_t *properties,
    ngx_keyval_t *kv, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (ngx_http_warehouse_kafka_set(cf, properties, &kv[i].key,
                                         &kv[i].value)
            != NGX_CONF_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Strings from the configuration end with a NUL, and so do the constants. */

static char *
ngx_http_warehouse_kafka_set(ngx_conf_t *cf, rd_kafka_conf_t *properties,
    ngx_str_t *name, ngx_str_t *value)
{
    char  text[512];

    if (rd_kafka_conf_set(properties, (char *) name->data,
                          (char *) value->data, text, sizeof(text))
        == RD_KAFKA_CONF_OK)
    {
        return NGX_CONF_OK;
    }

    text[strcspn(text, "\n")] = '\0';

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "kafka property \"%V\": %s",
                       name, text);

    return NGX_CONF_ERROR;
}


ngx_int_t
ngx_http_warehouse_kafka_topic(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka, ngx_str_t *name)
{
    ngx_str_t   *topic;
    ngx_uint_t   i;

    /* Kafka's own rule for the names of topics */

    if (name->len == 0 || name->len > 249
        || strspn((char *) name->data, "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
           != name->len
        || ngx_strcmp(name->data, ".") == 0
        || ngx_strcmp(name->data, "..") == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not the name of a topic", name);
        return NGX_ERROR;
    }

    topic = kafka->topics.elts;

    for (i = 0; i < kafka->topics.nelts; i++) {
        if (topic[i].len == name->len
            && ngx_strncmp(topic[i].data, name->data, name->len) == 0)
        {
            return i;
        }
    }

    topic = ngx_array_push(&kafka->topics);
    if (topic == NULL) {
        return NGX_ERROR;
    }

    *topic = *name;

    return kafka->topics.nelts - 1;
}


ngx_int_t
ngx_http_warehouse_kafka_check(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka)
{
    if (kafka->properties == NULL && kafka->topics.nelts == 0) {
        return NGX_OK;
    }

    if (kafka->brokers.len == 0 && kafka->topics.nelts) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"warehouse_commands\" needs "
                      "\"warehouse_kafka bootstrap.servers\"");
        return NGX_ERROR;
    }

    if (ngx_http_warehouse_kafka_set_all(cf, kafka->properties,
                                         ngx_http_warehouse_fixed,
                                         sizeof(ngx_http_warehouse_fixed)
                                         / sizeof(ngx_keyval_t))
        != NGX_OK
        || ngx_http_warehouse_kafka_limits(cf, kafka) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_warehouse_kafka_try(cf, kafka) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the producer keeps to kafka->timeout itself */

    return ngx_http_warehouse_kafka_set_all(cf, kafka->properties,
                                            &ngx_http_warehouse_patient, 1);
}


static ngx_int_t
ngx_http_warehouse_kafka_limits(ngx_conf_t *cf,
    ngx_http_warehouse_kafka_t *kafka)
{
    ngx_int_t  queue, timeout, largest;

    largest = ngx_http_warehouse_kafka_number(kafka, "message.max.bytes");
    queue = ngx_http_warehouse_kafka_number(kafka,
                                            "queue.buffering.max.messages");
    timeout = ngx_http_warehouse_kafka_number(kafka, "message.timeout.ms");

    if (timeout == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "kafka property \"message.timeout.ms\" must not be 0: "
                      "a request would wait for ever");
        return NGX_ERROR;
    }

    if (queue == NGX_ERROR || timeout == NGX_ERROR || largest == NGX_ERROR) {
        return NGX_ERROR;
    }

    /* 0: the queue has no limit */

    kafka->queue = (queue > 0) ? (ngx_uint_t) queue : NGX_MAX_INT_T_VALUE;
    kafka->timeout = (ngx_msec_t) timeout;
    kafka->largest = (size_t) largest;

    return NGX_OK;
}


/* What a property is set to, if only by librdkafka; NGX_ERROR: no number. */

static ngx_int_t
ngx_http_warehouse_kafka_number(ngx_http_warehouse_kafka_t *kafka,
    const char *name)
{
    char    text[32];
    size_t  size;

    size = sizeof(text);

    if (rd_kafka_conf_get(kafka->properties, name, text, &size)
        != RD_KAFKA_CONF_OK)
    {
        return NGX_ERROR;
    }

    return ngx_atoi((u_char *) text, ngx_strlen(text));
}


/*
 * librdkafka sees contradictions, missing files and bad credentials only when
 * it creates a producer, so one is created and destroyed, without brokers,
 * before any worker is forked.
 */

static ngx_int_t
ngx_http_warehouse_kafka_try(ngx_conf_t *cf, ngx_http_warehouse_kafka_t *kafka)
{
    char              text[512];
    rd_kafka_t       *rk;
    rd_kafka_conf_t  *properties;

    properties = rd_kafka_conf_dup(kafka->properties);

    if (rd_kafka_conf_set(properties, "log.queue", "false", NULL, 0)
        != RD_KAFKA_CONF_OK)
    {
        rd_kafka_conf_destroy(properties);
        return NGX_ERROR;
    }

    rd_kafka_conf_set_opaque(properties, cf->log);
    rd_kafka_conf_set_log_cb(properties, ngx_http_warehouse_kafka_log);

    rk = rd_kafka_new(RD_KAFKA_PRODUCER, properties, text, sizeof(text));

    if (rk == NULL) {
        rd_kafka_conf_destroy(properties);
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"warehouse_kafka\": %s",
                      text);
        return NGX_ERROR;
    }

    rd_kafka_destroy(rk);

    return NGX_OK;
}


/* Only what rd_kafka_new() says, in this thread, about the properties. */

static void
ngx_http_warehouse_kafka_log(const rd_kafka_t *rk, int level, const char *fac,
    const char *text)
{
    if (ngx_strcmp(fac, "CONFWARN") == 0
        && ngx_strstr(text, "No `bootstrap.servers` configured") == NULL)
    {
        ngx_log_error(NGX_LOG_WARN, (ngx_log_t *) rd_kafka_opaque(rk), 0,
                      "\"warehouse_kafka\": %s", text);
    }
}
