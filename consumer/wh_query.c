#include "wh_query.h"

#include <stdio.h>
#include <string.h>


#define WH_QUERY_TIMEOUT  5000    /* ms a question may take */


static int wh_query_compacted_result(rd_kafka_event_t *event,
    const char *topic, int *compacted, wh_error_t *err);


void
wh_query_wake(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    int                               i;
    rd_kafka_topic_partition_list_t  *asked;

    asked = rd_kafka_topic_partition_list_copy(list);

    for (i = 0; i < asked->cnt; i++) {
        asked->elems[i].offset = RD_KAFKA_OFFSET_END;
    }

    /* returns before there is an answer, which nobody waits for */

    (void) rd_kafka_offsets_for_times(rk, asked, 0);

    rd_kafka_topic_partition_list_destroy(asked);
}


int
wh_query_cluster_id(rd_kafka_t *rk, char *id, size_t size, wh_error_t *err)
{
    char  *s;

    s = rd_kafka_clusterid(rk, WH_QUERY_TIMEOUT);

    if (s == NULL) {
        return wh_error_set(err, WH_AGAIN, "no broker answers");
    }

    (void) snprintf(id, size, "%s", s);
    rd_kafka_mem_free(rk, s);

    return WH_OK;
}


int
wh_query_partitions(rd_kafka_t *rk, const char *topic, int *count,
    wh_error_t *err)
{
    int                              rc;
    rd_kafka_topic_t                *rkt;
    rd_kafka_resp_err_t              e;
    const struct rd_kafka_metadata  *md;

    rkt = rd_kafka_topic_new(rk, topic, NULL);
    if (rkt == NULL) {
        return wh_error_set(err, WH_ERROR, "topic \"%s\": %s", topic,
                            rd_kafka_err2str(rd_kafka_last_error()));
    }

    e = rd_kafka_metadata(rk, 0, rkt, &md, WH_QUERY_TIMEOUT);
    rd_kafka_topic_destroy(rkt);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "topic \"%s\": %s", topic,
                            rd_kafka_err2str(e));
    }

    if (md->topic_cnt == 1 && md->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR
        && md->topics[0].partition_cnt > 0)
    {
        *count = md->topics[0].partition_cnt;
        rc = WH_OK;

    } else {
        rc = wh_error_set(err, WH_AGAIN, "topic \"%s\": %s", topic,
                          md->topic_cnt == 1
                          ? rd_kafka_err2str(md->topics[0].err)
                          : "not in the brokers' answer");
    }

    rd_kafka_metadata_destroy(md);

    return rc;
}


int
wh_query_watermarks(rd_kafka_t *rk, const char *topic, int partition,
    int64_t *low, int64_t *high, wh_error_t *err)
{
    rd_kafka_resp_err_t  e;

    e = rd_kafka_query_watermark_offsets(rk, topic, partition, low, high,
                                         WH_QUERY_TIMEOUT);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "watermarks of %s:%d: %s", topic,
                            partition, rd_kafka_err2str(e));
    }

    return WH_OK;
}


int
wh_query_committed(rd_kafka_t *rk, const char *topic, int count,
    rd_kafka_topic_partition_list_t **list, wh_error_t *err)
{
    int                               i;
    rd_kafka_resp_err_t               e;
    rd_kafka_topic_partition_list_t  *l;

    *list = NULL;
    l = rd_kafka_topic_partition_list_new(count);

    (void) rd_kafka_topic_partition_list_add_range(l, topic, 0, count - 1);

    /* on a timeout the offsets read -1001 as if there were none */

    e = rd_kafka_committed(rk, l, WH_QUERY_TIMEOUT);

    for (i = 0; e == RD_KAFKA_RESP_ERR_NO_ERROR && i < l->cnt; i++) {
        e = l->elems[i].err;
    }

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_topic_partition_list_destroy(l);
        return wh_error_set(err, WH_AGAIN, "the group's offsets: %s",
                            rd_kafka_err2str(e));
    }

    *list = l;

    return WH_OK;
}


int
wh_query_compacted(rd_kafka_t *rk, const char *topic, int *compacted,
    wh_error_t *err)
{
    int                        rc;
    rd_kafka_event_t          *event;
    rd_kafka_queue_t          *queue;
    rd_kafka_ConfigResource_t *resource;

    *compacted = -1;

    queue = rd_kafka_queue_new(rk);
    resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);

    rd_kafka_DescribeConfigs(rk, &resource, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, WH_QUERY_TIMEOUT);

    if (event == NULL) {
        rc = wh_error_set(err, WH_AGAIN, "configuration of topic \"%s\": "
                          "no answer", topic);
    } else {
        rc = wh_query_compacted_result(event, topic, compacted, err);
        rd_kafka_event_destroy(event);
    }

    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);

    return rc;
}


static int
wh_query_compacted_result(rd_kafka_event_t *event, const char *topic,
    int *compacted, wh_error_t *err)
{
    size_t                               i, n;
    const char                          *value;
    const rd_kafka_ConfigEntry_t       **entries;
    const rd_kafka_ConfigResource_t    **resources;
    const rd_kafka_DescribeConfigs_result_t  *result;

    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "configuration of topic \"%s\": %s",
                            topic, rd_kafka_event_error_string(event));
    }

    result = rd_kafka_event_DescribeConfigs_result(event);
    resources = rd_kafka_DescribeConfigs_result_resources(result, &n);

    if (n != 1 || rd_kafka_ConfigResource_error(resources[0])
                  != RD_KAFKA_RESP_ERR_NO_ERROR)
    {
        return WH_OK;
    }

    entries = rd_kafka_ConfigResource_configs(resources[0], &n);

    for (i = 0; i < n; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy")
            == 0)
        {
            value = rd_kafka_ConfigEntry_value(entries[i]);
            *compacted = (value != NULL && strstr(value, "compact") != NULL);
        }
    }

    return WH_OK;
}
