#include "kafka/topic.h"

#include <stdlib.h>
#include <string.h>


#define WH_TOPIC_TIMEOUT  5000    /* ms an answer may take */


static rd_kafka_event_t *wh_topic_answer(rd_kafka_queue_t *queue,
    const char *what, const char *topic, wh_error_t *err);
#if RD_KAFKA_VERSION >= 0x020300ff
static void wh_topic_operations(rd_kafka_event_t *event,
    wh_topic_rights_t *rights);
#endif
static void wh_topic_setting(wh_topic_policy_t *policy, const char *name,
    const char *value);
static int wh_topic_created(rd_kafka_event_t *event, const char *topic,
    wh_error_t *err);


int
wh_topic_get_policy(rd_kafka_t *rk, const char *topic, wh_topic_policy_t *policy,
    wh_error_t *err)
{
    size_t                                    i, n;
    rd_kafka_event_t                         *event;
    rd_kafka_queue_t                         *queue;
    rd_kafka_ConfigResource_t                *resource;
    const rd_kafka_ConfigEntry_t            **entries;
    const rd_kafka_ConfigResource_t         **resources;
    const rd_kafka_DescribeConfigs_result_t  *result;

    memset(policy, 0, sizeof(wh_topic_policy_t));

    queue = rd_kafka_queue_new(rk);
    resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);

    rd_kafka_DescribeConfigs(rk, &resource, 1, NULL, queue);
    rd_kafka_ConfigResource_destroy(resource);

    event = wh_topic_answer(queue, "configuration", topic, err);
    rd_kafka_queue_destroy(queue);

    if (event == NULL) {
        return WH_AGAIN;
    }

    result = rd_kafka_event_DescribeConfigs_result(event);
    resources = rd_kafka_DescribeConfigs_result_resources(result, &n);

    if (n == 1 && rd_kafka_ConfigResource_error(resources[0])
                  == RD_KAFKA_RESP_ERR_NO_ERROR)
    {
        policy->known = 1;
        entries = rd_kafka_ConfigResource_configs(resources[0], &n);

        for (i = 0; i < n; i++) {
            wh_topic_setting(policy, rd_kafka_ConfigEntry_name(entries[i]),
                             rd_kafka_ConfigEntry_value(entries[i]));
        }
    }

    rd_kafka_event_destroy(event);

    return WH_OK;
}


static void
wh_topic_setting(wh_topic_policy_t *policy, const char *name,
    const char *value)
{
    if (value == NULL) {
        return;
    }

    if (strcmp(name, "cleanup.policy") == 0) {
        policy->compact = (strstr(value, "compact") != NULL);
        policy->deletes = (strstr(value, "delete") != NULL);

    } else if (strcmp(name, "retention.ms") == 0) {
        policy->retention = strtoll(value, NULL, 10);

    } else if (strcmp(name, "retention.bytes") == 0) {
        policy->bytes = strtoll(value, NULL, 10);

    } else if (strcmp(name, "min.compaction.lag.ms") == 0) {
        policy->lag = strtoll(value, NULL, 10);

    } else if (strcmp(name, "min.insync.replicas") == 0) {
        policy->min_in_sync = strtoll(value, NULL, 10);
    }
}


int
wh_topic_get_rights(rd_kafka_t *rk, const char *topic, wh_topic_rights_t *rights,
    wh_error_t *err)
{
    memset(rights, 0, sizeof(wh_topic_rights_t));

#if RD_KAFKA_VERSION >= 0x020300ff

    rd_kafka_event_t            *event;
    rd_kafka_queue_t            *queue;
    rd_kafka_error_t            *error;
    rd_kafka_AdminOptions_t     *options;
    rd_kafka_TopicCollection_t  *topics;

    options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
    error = rd_kafka_AdminOptions_set_include_authorized_operations(options,
                                                                    1);
    rd_kafka_error_destroy(error);

    queue = rd_kafka_queue_new(rk);
    topics = rd_kafka_TopicCollection_of_topic_names(&topic, 1);

    rd_kafka_DescribeTopics(rk, topics, options, queue);

    rd_kafka_TopicCollection_destroy(topics);
    rd_kafka_AdminOptions_destroy(options);

    event = wh_topic_answer(queue, "rights", topic, err);
    rd_kafka_queue_destroy(queue);

    if (event == NULL) {
        return WH_AGAIN;
    }

    wh_topic_operations(event, rights);
    rd_kafka_event_destroy(event);

    return WH_OK;

#else

    (void) rk;

    return wh_error_set(err, WH_NONE, "topic \"%s\": librdkafka before 2.3 "
                        "does not tell rights", topic);

#endif
}


#if RD_KAFKA_VERSION >= 0x020300ff

static void
wh_topic_operations(rd_kafka_event_t *event, wh_topic_rights_t *rights)
{
    size_t                                  i, n;
    const rd_kafka_AclOperation_t          *operations;
    const rd_kafka_TopicDescription_t     **topics;
    const rd_kafka_DescribeTopics_result_t *result;

    result = rd_kafka_event_DescribeTopics_result(event);
    topics = rd_kafka_DescribeTopics_result_topics(result, &n);

    if (n != 1) {
        return;
    }

    operations = rd_kafka_TopicDescription_authorized_operations(topics[0],
                                                                 &n);

    rights->known = (operations != NULL);

    for (i = 0; rights->known && i < n; i++) {
        rights->read |= (operations[i] == RD_KAFKA_ACL_OPERATION_READ);
        rights->write |= (operations[i] == RD_KAFKA_ACL_OPERATION_WRITE);
    }
}

#endif


/* Waits for the answer to a question about a topic; NULL: err says why not. */

static rd_kafka_event_t *
wh_topic_answer(rd_kafka_queue_t *queue, const char *what, const char *topic,
    wh_error_t *err)
{
    rd_kafka_event_t  *event;

    event = rd_kafka_queue_poll(queue, WH_TOPIC_TIMEOUT);

    if (event == NULL) {
        (void) wh_error_set(err, WH_AGAIN, "%s of topic \"%s\": no answer",
                            what, topic);

    } else if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void) wh_error_set(err, WH_AGAIN, "%s of topic \"%s\": %s", what,
                            topic, rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
        event = NULL;
    }

    return event;
}


int
wh_topic_create(rd_kafka_t *rk, const char *topic,
    const wh_topic_setting_t *settings, wh_error_t *err)
{
    int                       rc;
    char                      text[256];
    rd_kafka_event_t         *event;
    rd_kafka_queue_t         *queue;
    rd_kafka_NewTopic_t      *new_topic;
    const wh_topic_setting_t *s;

    new_topic = rd_kafka_NewTopic_new(topic, 1, -1, text, sizeof(text));

    if (new_topic == NULL) {
        return wh_error_set(err, WH_ERROR, "topic \"%s\": %s", topic, text);
    }

    for (s = settings; s->name != NULL; s++) {
        (void) rd_kafka_NewTopic_set_config(new_topic, s->name, s->value);
    }

    queue = rd_kafka_queue_new(rk);

    rd_kafka_CreateTopics(rk, &new_topic, 1, NULL, queue);
    rd_kafka_NewTopic_destroy(new_topic);

    event = wh_topic_answer(queue, "creation", topic, err);
    rd_kafka_queue_destroy(queue);

    if (event == NULL) {
        return WH_AGAIN;
    }

    rc = wh_topic_created(event, topic, err);
    rd_kafka_event_destroy(event);

    return rc;
}


static int
wh_topic_created(rd_kafka_event_t *event, const char *topic, wh_error_t *err)
{
    size_t                                n;
    const char                           *why;
    rd_kafka_resp_err_t                   e;
    const rd_kafka_topic_result_t       **topics;
    const rd_kafka_CreateTopics_result_t  *result;

    result = rd_kafka_event_CreateTopics_result(event);
    topics = rd_kafka_CreateTopics_result_topics(result, &n);

    e = (n == 1) ? rd_kafka_topic_result_error(topics[0])
                 : RD_KAFKA_RESP_ERR_UNKNOWN;

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return WH_OK;
    }

    if (e == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        return wh_error_set(err, WH_CONFLICT, "topic \"%s\" is there", topic);
    }

    why = (n == 1) ? rd_kafka_topic_result_error_string(topics[0]) : NULL;

    return wh_error_set(err, WH_AGAIN, "topic \"%s\" is missing and cannot be "
                        "created: %s; create it, see docs/topics.md", topic,
                        why ? why : rd_kafka_err2str(e));
}
