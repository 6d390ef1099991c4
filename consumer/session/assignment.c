#include "session/assignment.h"
#include "base/log.h"


int
wh_assignment_join(wh_assignment_t *a, wh_error_t *err)
{
    rd_kafka_resp_err_t               e;
    rd_kafka_topic_partition_list_t  *topics;

    topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, a->conf->commands_topic,
                                      RD_KAFKA_PARTITION_UA);

    e = rd_kafka_subscribe(a->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "joining the group: %s",
                            rd_kafka_err2str(e));
    }

    return WH_OK;
}


void
wh_assignment_close(wh_assignment_t *a)
{
    wh_assignment_release(a);

    if (a->metadata != NULL) {
        rd_kafka_consumer_group_metadata_destroy(a->metadata);
        a->metadata = NULL;
    }

    if (a->list != NULL) {
        rd_kafka_topic_partition_list_destroy(a->list);
        a->list = NULL;
    }

    wh_positions_free(&a->next);
}


void
wh_assignment_rebalanced(wh_assignment_t *a, rd_kafka_resp_err_t e,
    rd_kafka_topic_partition_list_t *partitions)
{
    a->due = 0;

    if (a->metadata != NULL && a->metadata != a->in_use) {
        rd_kafka_consumer_group_metadata_destroy(a->metadata);
    }

    a->metadata = NULL;

    if (e == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        a->metadata = rd_kafka_consumer_group_metadata(a->consumer);
        a->partitions = partitions->cnt;
        a->due = 1;
        return;
    }

    wh_log(WH_LOG_NOTICE, "partitions of \"%s\" %s", a->conf->commands_topic,
           rd_kafka_assignment_lost(a->consumer) ? "lost" : "revoked");

    (void) rd_kafka_assign(a->consumer, NULL);
}


int
wh_assignment_begin_at(wh_assignment_t *a,
    rd_kafka_topic_partition_list_t *list, wh_error_t *err)
{
    int  i, rc;

    if (a->list != NULL) {
        rd_kafka_topic_partition_list_destroy(a->list);
    }

    a->list = list;
    wh_positions_clear(&a->next);

    rc = WH_OK;

    for (i = 0; rc == WH_OK && i < list->cnt; i++) {
        rc = wh_positions_set(&a->next, list->elems[i].partition,
                              list->elems[i].offset, err);
    }

    return rc;
}


int
wh_assignment_take_up(wh_assignment_t *a, wh_error_t *err)
{
    rd_kafka_resp_err_t  e;

    if (a->partitions != a->list->cnt) {
        return wh_error_set(err, WH_AGAIN, "group \"%s\" gave us %d of %d "
                            "partitions: partitions were added, or there is "
                            "another member, which there must not be",
                            a->conf->group_id, a->partitions, a->list->cnt);
    }

    e = rd_kafka_assign(a->consumer, a->list);

    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return wh_error_set(err, WH_AGAIN, "assigning commands: %s",
                            rd_kafka_err2str(e));
    }

    wh_log(WH_LOG_NOTICE, "processing \"%s\", %d partition(s)",
           a->conf->commands_topic, a->partitions);

    return WH_OK;
}


void
wh_assignment_hold(wh_assignment_t *a)
{
    a->in_use = a->metadata;
}


void
wh_assignment_release(wh_assignment_t *a)
{
    if (a->in_use != NULL && a->in_use != a->metadata) {
        rd_kafka_consumer_group_metadata_destroy(a->in_use);
    }

    a->in_use = NULL;
}


int
wh_assignment_move(wh_assignment_t *a, const wh_positions_t *next,
    wh_error_t *err)
{
    int      rc;
    int32_t  i, partition;

    rc = WH_OK;

    for (i = 0; rc == WH_OK && i < next->n; i++) {
        partition = next->partitions[i];
        rc = wh_positions_set(&a->next, partition,
                              wh_positions_get(next, partition), err);
    }

    return rc;
}


int
wh_assignment_fatal(const wh_assignment_t *a, wh_error_t *err)
{
    char                 text[512];
    rd_kafka_resp_err_t  e;

    e = rd_kafka_fatal_error(a->consumer, text, sizeof(text));

    if (e == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return WH_OK;
    }

    return wh_error_set(err, e == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
                        ? WH_FENCED : WH_AGAIN, "consumer: %s", text);
}
