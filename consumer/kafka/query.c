#include "kafka/query.h"
#include "base/signal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


#define WH_QUERY_TIMEOUT  5000    /* ms a question may take */
#define WH_QUERY_AGAIN    2000    /* ms for another one about its failure */
#define WH_QUERY_LOOKS    5       /* at a watermark that seems to go back */
#define WH_QUERY_WAIT     500     /* ms between two looks */
#define WH_QUERY_LONG     3600000 /* ms, librdkafka's limit */


static rd_kafka_resp_err_t wh_query_group_error(rd_kafka_t *rk,
    const char *group);
static int wh_query_uncommitted(rd_kafka_t *rk, rd_kafka_resp_err_t e,
    wh_error_t *err);
static rd_kafka_AdminOptions_t *wh_query_options(rd_kafka_t *rk,
    rd_kafka_admin_op_t op);
static int wh_query_described(rd_kafka_event_t *event, int *count, char *host,
    size_t size, wh_error_t *err);


void
wh_query_wake(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    int                               i;
    rd_kafka_topic_partition_list_t  *asked;

    if (rd_kafka_version() >= 0x02020000) {
        return;
    }

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
        e = (md->topic_cnt == 1) ? md->topics[0].err
                                 : RD_KAFKA_RESP_ERR_UNKNOWN;

        rc = wh_error_set(err, e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                          ? WH_NONE : WH_AGAIN, "topic \"%s\": %s", topic,
                          rd_kafka_err2str(e));
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


/* A broker that has just started may show an old high watermark at first. */

int
wh_query_watermarks_past(rd_kafka_t *rk, const char *topic, int partition,
    int64_t position, int64_t *low, int64_t *high, wh_error_t *err)
{
    int  i, rc;

    for (i = 0; ; i++) {
        rc = wh_query_watermarks(rk, topic, partition, low, high, err);

        if (rc != WH_OK || position <= *high || i == WH_QUERY_LOOKS) {
            return rc;
        }

        wh_wait(WH_QUERY_WAIT);

        if (wh_stopping()) {
            return wh_error_set(err, WH_AGAIN, "asked to stop");
        }
    }
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
        return wh_query_uncommitted(rk, e, err);
    }

    *list = l;

    return WH_OK;
}


/*
 * Why the group's offsets are not to be had.  A timeout may hide that we are not
 * allowed to: then librdkafka goes on looking for the group's coordinator, and
 * another question brings that to light.
 */

static int
wh_query_uncommitted(rd_kafka_t *rk, rd_kafka_resp_err_t e, wh_error_t *err)
{
    char    group[256];
    size_t  size;

    size = sizeof(group);

    if (rd_kafka_conf_get(rd_kafka_conf(rk), "group.id", group, &size)
        != RD_KAFKA_CONF_OK)
    {
        group[0] = '\0';
    }

    if (e == RD_KAFKA_RESP_ERR__TIMED_OUT) {
        e = wh_query_group_error(rk, group);
    }

    return wh_error_set(err, WH_AGAIN, "the offsets of group \"%s\": %s",
                        group, rd_kafka_err2str(e));
}


static rd_kafka_resp_err_t
wh_query_group_error(rd_kafka_t *rk, const char *group)
{
    size_t                                          n;
    rd_kafka_resp_err_t                             e;
    const rd_kafka_error_t                         *error;
    rd_kafka_event_t                               *event;
    rd_kafka_queue_t                               *queue;
    rd_kafka_AdminOptions_t                        *options;
    const rd_kafka_group_result_t                 **groups;
    rd_kafka_ListConsumerGroupOffsets_t            *list;
    const rd_kafka_ListConsumerGroupOffsets_result_t  *result;

    e = RD_KAFKA_RESP_ERR__TIMED_OUT;

    queue = rd_kafka_queue_new(rk);
    options = wh_query_options(rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    list = rd_kafka_ListConsumerGroupOffsets_new(group, NULL);

    rd_kafka_ListConsumerGroupOffsets(rk, &list, 1, options, queue);
    rd_kafka_ListConsumerGroupOffsets_destroy(list);
    rd_kafka_AdminOptions_destroy(options);

    event = rd_kafka_queue_poll(queue, WH_QUERY_AGAIN);
    rd_kafka_queue_destroy(queue);

    result = (event != NULL)
             ? rd_kafka_event_ListConsumerGroupOffsets_result(event) : NULL;

    if (result != NULL && rd_kafka_event_error(event)) {
        e = rd_kafka_event_error(event);

    } else if (result != NULL) {
        groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &n);
        error = (n == 1) ? rd_kafka_group_result_error(groups[0]) : NULL;

        if (error != NULL) {
            e = rd_kafka_error_code(error);
        }
    }

    if (event != NULL) {
        rd_kafka_event_destroy(event);
    }

    return e;
}


/*
 * Of a question to a group's coordinator.  It must not time out: librdkafka (2.0
 * to 2.15, by an assertion in rd_kafka_enq_once_del_source_return()) aborts the
 * process when the coordinator is there again that such a question waited for.
 * An hour is all that it takes.
 */

static rd_kafka_AdminOptions_t *
wh_query_options(rd_kafka_t *rk, rd_kafka_admin_op_t op)
{
    rd_kafka_AdminOptions_t  *options;

    options = rd_kafka_AdminOptions_new(rk, op);

    (void) rd_kafka_AdminOptions_set_request_timeout(options, WH_QUERY_LONG,
                                                     NULL, 0);

    return options;
}


/*
 * The coordinator is asked, and nobody else: while it is not there, or reads the
 * group's past, it says so instead of knowing no member.
 */

int
wh_query_members(rd_kafka_t *rk, const char *group, int *count, char *host,
    size_t size, wh_error_t *err)
{
    int                       rc;
    rd_kafka_event_t         *event;
    rd_kafka_queue_t         *queue;
    rd_kafka_AdminOptions_t  *options;

    *count = 0;
    *host = '\0';

    queue = rd_kafka_queue_new(rk);
    options = wh_query_options(rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);

    rd_kafka_DescribeConsumerGroups(rk, &group, 1, options, queue);
    rd_kafka_AdminOptions_destroy(options);

    event = rd_kafka_queue_poll(queue, WH_QUERY_TIMEOUT);
    rd_kafka_queue_destroy(queue);

    if (event == NULL) {
        return wh_error_set(err, WH_AGAIN, "group \"%s\": no answer", group);
    }

    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rc = wh_error_set(err, WH_AGAIN, "group \"%s\": %s", group,
                          rd_kafka_event_error_string(event));

    } else {
        rc = wh_query_described(event, count, host, size, err);
    }

    rd_kafka_event_destroy(event);

    return rc;
}


static int
wh_query_described(rd_kafka_event_t *event, int *count, char *host,
    size_t size, wh_error_t *err)
{
    size_t                                       n;
    const char                                  *name;
    const rd_kafka_error_t                      *error;
    const rd_kafka_MemberDescription_t          *member;
    const rd_kafka_ConsumerGroupDescription_t   *group, **groups;
    const rd_kafka_DescribeConsumerGroups_result_t  *result;

    result = rd_kafka_event_DescribeConsumerGroups_result(event);
    groups = rd_kafka_DescribeConsumerGroups_result_groups(result, &n);

    if (n != 1) {
        return wh_error_set(err, WH_AGAIN, "an answer of %zu groups", n);
    }

    group = groups[0];
    name = rd_kafka_ConsumerGroupDescription_group_id(group);
    error = rd_kafka_ConsumerGroupDescription_error(group);

    if (error != NULL) {
        return wh_error_set(err, WH_AGAIN, "group \"%s\": %s", name,
                            rd_kafka_error_string(error));
    }

    if (rd_kafka_ConsumerGroupDescription_state(group)
        == RD_KAFKA_CONSUMER_GROUP_STATE_DEAD)
    {
        return wh_error_set(err, WH_NONE, "group \"%s\": not known to the "
                            "brokers", name);
    }

    *count = (int) rd_kafka_ConsumerGroupDescription_member_count(group);

    if (*count > 0) {
        member = rd_kafka_ConsumerGroupDescription_member(group, 0);
        (void) snprintf(host, size, "%s",
                        rd_kafka_MemberDescription_host(member));
    }

    return WH_OK;
}
