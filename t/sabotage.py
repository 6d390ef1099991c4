#!/usr/bin/env python3
"""Breaks the code on purpose, one thing at a time, in a copy of the tree: the
tests named with it must fail.  SABOTAGE=word script/test sabotage takes only
those whose name holds the word, or one of some with bars between, SABOTAGE=n
those from the nth on."""

import os
import shutil
import subprocess
import sys
import tempfile

import stack

KEYS = "t/e2e/keys.py"
OUTCOMES = "t/e2e/outcomes.py"
VERIFY = "t/e2e/verify.py"
NOTIFICATIONS = "t/e2e/notifications.py"
PRODUCER = "t/e2e/producer.py"
RECORDS = "t/e2e/records.py"
TOPICS = "t/e2e/topics.py"
OFFSETS = "t/fault/offsets.py"
SLOW = "t/fault/slow.py"
RECOVERY = "t/e2e/recovery.py"
CONTENTS = "t/fault/contents.py"
KILLS = "t/fault/kills.py"
MODULE = "t/fault/module.py"
NETWORK = "t/fault/network.py"
SQLITE = "t/fault/sqlite.py"
NGX = "ngx_http_warehouse_module/ngx_http_warehouse_"

# what is caught when something happens at a certain moment may need some
CHANCES = 3

# (what, [(file, old text, new text), ...], test file, tests)
SABOTAGES = [

    # the two commits

    ("SQLite committed before Kafka", [
        ("consumer/session/slice.c",
         "        rc = wh_slice_publish(slice, err);\n",
         "        (void) wh_worker_wait(h->worker, NULL);\n"
         "        (void) wh_store_commit(h->store, err);\n"
         "        rc = wh_slice_publish(slice, err);\n"
         "        (void) wh_worker_wait(h->worker, NULL);\n"
         "        if (rc == WH_OK) rc = wh_store_begin(h->store, err);\n")],
     NETWORK, ["Network.test_broker_stopped_past_every_timeout"]),
    ("the batch committed item by item", [
        ("consumer/ledger/items.c",
         "&c->now,\n                               err);\n        if (rc != WH_OK) {",
         "&c->now,\n                               err);\n"
         "        if (rc == WH_OK) rc = wh_store_commit(store, err);\n"
         "        if (rc == WH_OK) rc = wh_store_begin(store, err);\n"
         "        if (rc != WH_OK) {")],
     KILLS, ["Kills.test_slow"]),
    ("a failed commit taken for one", [
        ("consumer/kafka/publisher.c",
         'return wh_publisher_fail(p, "commit_transaction", error, err);',
         '(void) wh_publisher_fail(p, "commit_transaction", error, err);')],
     NETWORK, ["Network.test_broker_stopped_past_every_timeout"]),
    ("a full disk taken for a commit", [
        ("consumer/store/sql.c", "    if (sqlite3_step(s->stmt[sql]) != SQLITE_DONE) {",
         "    if (sqlite3_step(s->stmt[sql]) != SQLITE_DONE\n"
         "        && (sql != WH_SQL_COMMIT || sqlite3_errcode(s->db) != SQLITE_FULL)) {")],
     SQLITE, ["Full.test_at_commit"]),
    ("a failure to read ahead passed over", [
        ("consumer/session/slice.c", "        rc = wh_worker_wait(h->worker, err);\n    }\n\n    if (rc == WH_OK) {\n        wh_worker_start(",
         "        (void) wh_worker_wait(h->worker, err);\n    }\n\n    if (rc == WH_OK) {\n        wh_worker_start(")],
     SQLITE, ["Full.test_reading_ahead"]),
    ("the batch gone on with after a failure", [
        ("consumer/session/session.c", "        rc = wh_pipeline_run(h, err);",
         "        rc = wh_pipeline_run(h, err);\n"
         "        if (rc == WH_AGAIN) { wh_store_rollback(h->store); rc = WH_OK; }")],
     NETWORK, ["Network.test_other_requests_come_after_newer_ones"]),

    # the optimistic lock

    ("the guard of the UPDATE left out", [
        ("consumer/store/sql.c", '" WHERE sku = ?1 AND version = ?4"',
         '" WHERE sku = ?1 AND ?4 = ?4"')],
     RECOVERY, ["Recovery.test_other_writer_between_read_and_write"]),

    ("items read ahead of the rest of a batch", [
        ("consumer/session/slice.c",
         "\n        && slice->first + slice->count == wh_batch_size(h->reader.now.batch))", ")\n")],
     SQLITE, ["OtherWriter.test_in_a_backlog"]),
    ("items read ahead used again after a conflict", [
        ("consumer/ledger/batch.c", "    b->prefetched = 0;\n\n    if (rc == WH_OK) {",
         "    if (rc == WH_OK) {")],
     SQLITE, ["OtherWriter.test_in_a_backlog"]),

    # positions

    ("a position taken back to an end that was passed", [
        ("consumer/session/pipeline.c", "rc = wh_positions_raise(&slice->next, partition, end, err);",
         "rc = wh_positions_set(&slice->next, partition, end, err);")],
     SQLITE, ["Positions"]),
    ("the sources of notifications ignored", [
        ("consumer/follow/follow.c", "&& strcmp(n.notification.topic, f->conf->commands_topic) == 0)",
         "&& *n.notification.topic == '\\0')")],
     CONTENTS, ["Group"]),
    ("recovered positions not stored", [
        ("consumer/follow/start.c", "    if (rc != WH_OK || stored == start->offset) {",
         "    if (rc != WH_OK || stored != -1) {")],
     "t/e2e/stops.py", ["Stops.test_trimmed_commands"]),

    # recovery

    ("no recovery from the notifications", [
        ("consumer/follow/recover.c", "    return wh_recover_follow(r, store, *high, err);",
         "    return WH_OK;")],
     NETWORK, ["Network.test_daemon_killed_between_the_two_commits"]),
    ("recovery to the last stable offset", [
        ("consumer/follow/recover.c", "wh_query_watermarks_past(r->watcher, topic",
         "wh_query_watermarks_past(r->consumer, topic")],
     CONTENTS, ["Transaction.test_aborted"]),
    ("older notifications applied", [
        ("consumer/follow/chunk.c", "if (s->version > item->version) {",
         "if (s->version != item->version) {")],
     RECOVERY, ["Recovery.test_other_writers_change_survives_recovery"]),
    ("gaps in versions not allowed", [
        ("consumer/follow/chunk.c", "if (s->version > item->version) {",
         "if (s->version == item->version + 1) {")],
     CONTENTS, ["Compacted"]),
    ("the same version with another stock passed over", [
        ("consumer/follow/chunk.c", "if (s->version == item->version && s->stock != item->qty) {",
         "if (s->version < 0) {")],
     CONTENTS, ["Foreign.test_same_version_other_stock"]),

    # one owner

    ("the end of a transaction left on its way", [
        ("consumer/session/slice.c", "    if (wh_publisher_suspect(h->publisher)) {",
         "    if (0) {")],
     NETWORK, ["Network.test_end_of_a_transaction_comes_in_the_next"]),
    ("no fence at all", [
        ("consumer/kafka/client.c",
         'return wh_client_set(rkconf, "transactional.id", id, err);',
         'char own[64]; (void) snprintf(own, 64, "%ld-%p", (long) time(NULL), (void *) rkconf);'
         ' return wh_client_set(rkconf, "transactional.id", own, err);'),
        ("consumer/kafka/client.c", "#include <syslog.h>\n",
         "#include <stdio.h>\n#include <syslog.h>\n#include <time.h>\n"),
        ("consumer/session/assignment.c",
         "a->metadata = rd_kafka_consumer_group_metadata(a->consumer);",
         "a->metadata = rd_kafka_consumer_group_metadata_new(a->conf->group_id);")],
     KILLS, ["Kills.test_taken_over"]),
    ("a take-over not waited for", [
        ("consumer/session/session.c", "end = wh_clock() + WH_SESSION_HEARTBEATS\n",
         "end = wh_clock() - 100000000\n")],
     KILLS, ["Kills.test_taken_over"]),
    ("late requests of its own taken for a take-over", [
        ("consumer/session/session.c", "return wh_session_fenced(s) && wh_session_held(s);",
         "return wh_session_fenced(s);")],
     NETWORK, ["Network.test_other_requests_come_after_newer_ones"]),

    # what must not be passed over

    ("a replaced database not noticed", [
        ("consumer/session/session.c", "rc = wh_store_same_file(h->store, err);",
         "rc = WH_OK;")],
     SQLITE, ["Replaced.test_older_copy"]),
    ("the log of a replaced database kept", [
        ("consumer/store/store.c",
         "if (wh_store_same_name(s, NULL) != WH_OK) {",
         "if (s->unpublished && wh_store_same_name(s, NULL) != WH_OK) {")],
     SQLITE, ["Replaced.test_older_copy"]),
    ("a log that was removed not noticed", [
        ("consumer/store/store.c", "rc == WH_OK && !wh_store_log_same(s)", "rc != WH_OK")],
     SQLITE, ["Replaced.test_log_removed"]),
    ("a log that was removed not saved", [
        ("consumer/store/wal.c", "    if (wh_wal_save(s) != WH_OK) {\n        wh_log", "    if (0) {\n        wh_log")],
     SQLITE, ["Replaced.test_log_removed_and_half_copied"]),
    ("a database without its log gone on with", [
        ("consumer/store/wal.c", "    if (wh_wal_save(s) != WH_OK) {\n        wh_log",
         "    if (wh_wal_save(s) == 99) {\n        wh_log")],
     SQLITE, ["Replaced.test_log_removed_and_begun_anew"]),
    ("damage not looked for", [
        ("consumer/session/session.c", "        rc = wh_store_check(h->store, whole, err);",
         "        (void) whole;")],
     SQLITE, ["Damaged"]),
    ("recreated notifications not noticed", [
        ("consumer/kafka/publisher.c", "p->first < *next", "p->first < 0")],
     CONTENTS, ["Recreated.test_notifications"]),
    ("trimmed commands passed over", [
        ("consumer/follow/start.c", "if (!conf->skip_trimmed_commands) {", "if (0) {")],
     CONTENTS, ["Trimmed.test_commands_while_behind"]),
    ("another cluster taken for ours", [
        ("consumer/follow/recover.c", "    if (strcmp(id, known) == 0) {",
         "    if (*known != '\\0' || strcmp(id, known) == 0) {")],
     CONTENTS, ["Cluster"]),

    ("a record that is no notification passed over", [
        ("consumer/follow/follow.c", "    if (m->offset == f->conf->skip_notification) {",
         "    if (m->offset >= 0) {")],
     CONTENTS, ["Foreign.test_each_kind"]),
    ("an item past all limits taken as it is", [
        ("consumer/store/sql.c", "&& item->qty >= 0 && item->qty <= WH_QTY_MAX",
         "&& item->qty >= 0")],
     RECORDS, ["Overfull"]),
    ("the headers of a record without a limit", [
        ("consumer/kafka/headers.c", "        if (i == WH_HEADERS_MAX) {", "        if (i == 10000000) {")],
     RECORDS, ["Large.test_how_many_headers"]),
    ("positions from reports that have none", [
        ("consumer/kafka/publisher.c", "    if (p->unknown) {", "    if (0) {")],
     OFFSETS, ["Offsets"]),
    ("partitions that are added not looked for", [
        ("consumer/kafka/client.c", '"topic.metadata.refresh.interval.ms", "5000"',
         '"topic.metadata.refresh.interval.ms", "300000"')],
     TOPICS, ["Partitions"]),

    # batches and rebuilds

    ("batches that never get smaller", [
        ("consumer/session/pace.c", "    pace->most = count / 2;\n", "")],
     SLOW, ["Quota"]),
    ("a rebuild begun anew each time", [
        ("consumer/store/store.c", "rc = wh_store_resume(store, conf, err);", "rc = WH_NONE;")],
     CONTENTS, ["Rebuild.test_killed"]),
    ("a rebuild of other topics gone on with", [
        ("consumer/follow/recover.c", "|| strcmp(topics, source) != 0))", "))")],
     CONTENTS, ["Rebuild.test_other_topic"]),
    ("a rebuild gone on with behind what failed", [
        ("consumer/follow/follow.c", "        f->failed = 1;\n        return rc;\n",
         "        return rc;\n")],
     CONTENTS, ["Rebuild.test_while_it_runs"]),
    ("a quota taken for damage", [
        ("common/wh_schema.c", "        if (wh_schema_quota(db)) {", "        if (!db) {")],
     SQLITE, ["Quota.test_while_it_runs"]),
    ("commands logged before SQLite has them", [
        ("consumer/session/slice.c", "    logged = wh_slice_log(slice, slice->first, 1);\n",
         "    logged = wh_slice_log(slice, slice->first, 1);\n    wh_log_flush();\n")],
     SQLITE, ["Full.test_nothing_is_logged_before_the_commit"]),

    # keys

    ("keys not recovered", [
        ("consumer/follow/chunk.c", "        rc = wh_chunk_remember(c, store, conf, err);\n",
         "        rc = WH_OK;\n")],
     KEYS, ["Keys.test_recovered"]),
    ("a refused command uses its key up", [
        ("consumer/ledger/batch.c", "if (use != NULL && o->verdict == WH_APPLIED) {",
         "if (use != NULL) {"),
        ("consumer/ledger/batch.c", "if (o->key == NULL || o->verdict != WH_APPLIED) {",
         "if (o->key == NULL) {")],
     KEYS, ["Keys.test_refused_keeps_the_key"]),
    ("keys without the scope of their sku", [
        ("consumer/store/sql.c", '" WHERE sku = ?1 AND key = ?2"',
         '" WHERE ?1 = ?1 AND key = ?2"'),
        ("consumer/ledger/keys.c", "    HASH_FIND(hh, *keys, name, len, k);\n",
         "    memset(name, 'x', command->sku_len);\n    HASH_FIND(hh, *keys, name, len, k);\n")],
     KEYS, ["Keys.test_sku_is_the_scope"]),

    # the module

    ("the answer before the acknowledgement", [
        (NGX + "command.c", "    return ngx_http_warehouse_write_wait(write);",
         "    (void) ngx_http_warehouse_write_wait(write);\n"
         "    return ngx_http_warehouse_command_accepted(r);")],
     MODULE, ["Module.test_workers_killed"]),
    ("retries of a message written again", [
        (NGX + "kafka.c", 'ngx_string("enable.idempotence"), ngx_string("true")',
         'ngx_string("enable.idempotence"), ngx_string("false")')],
     MODULE, ["Module.test_quit"]),
    ("a producer that numbers messages anew", [
        (NGX + "kafka.c", 'ngx_string("2147483647")', 'ngx_string("2000")'),
        (NGX + "producer.c", "    if (age >= timeout) {", "    if (0 && age >= timeout) {")],
     PRODUCER, ["Producer.test_written_and_not_answered"]),
    ("an unknown outcome answered with 503", [
        (NGX + "fate.c", "    default:\n        return NGX_HTTP_WAREHOUSE_UNKNOWN;",
         "    default:\n        return NGX_HTTP_WAREHOUSE_NOT_PERSISTED;")],
     MODULE, ["Module.test_broker_stopped_past_the_timeout"]),
    ("nothing that keeps a worker for its answers", [
        (NGX + "write.c",
         "    ngx_add_timer(&write->guard, wmcf->kafka.timeout\n"
         "                                 + NGX_HTTP_WAREHOUSE_GUARD);\n", "")],
     MODULE, ["Module.test_quit"]),
    ("a producer destroyed in the event loop", [
        (NGX + "producer.c", "    ngx_http_warehouse_reap(p->rk, p->sent);", "    rd_kafka_destroy(p->rk);")],
     PRODUCER, ["Producer.test_lookup_that_hangs"]),
    ("another producer for each refused command", [
        (NGX + "producers.c", "    producers->retry = ngx_current_msec + NGX_HTTP_WAREHOUSE_RETRY;\n",
         "    producers->retry = ngx_current_msec;\n")],
     PRODUCER, ["Producer.test_no_producer_id"]),
    ("positions that librdkafka made up", [
        (NGX + "fate.c", "    return *invented ? -1 : message->offset;",
         "    return message->offset;")],
     PRODUCER, ["Producer.test_a_batch_that_was_there"]),
    ("topics that brokers create", [
        (NGX + "kafka.c", '"allow.auto.create.topics"), ngx_string("false")',
         '"allow.auto.create.topics"), ngx_string("true")')],
     TOPICS, ["NotCreated.test_by_nginx"]),
    ("the old log of a database read on", [
        (NGX + "reader.c", "&& log_ino == r->log_ino)", "&& 1)")],
     SQLITE, ["Replaced.test_older_copy"]),
    ("memory kept after a crowd", [
        (NGX + "crowd.c", "    (void) malloc_trim(0);\n", "")],
     "t/e2e/crowd.py", []),
    ("brokers' silence not noticed", [
        ("consumer/session/watch.c", "    if (now - h->heard > h->silence && now",
         "    if (0 && now - h->heard > h->silence && now")],
     "t/e2e/metrics.py", ["Metrics.test_brokers_silent"]),
    ("a password among the arguments", [
        ("consumer/main.c", "    rc = wh_conf_secret(key)\n", "    rc = 0 && wh_conf_secret(key)\n")],
     "t/e2e/stops.py", ["Process.test_command_line"]),
    ("a password that was mended not found", [
        ("consumer/kafka/publisher.c", "waiting == WH_PUBLISHER_INIT_TRIES",
         "(0 && waiting == WH_PUBLISHER_INIT_TRIES)")],
     "t/e2e/security.py", ["Troubles.test_each"]),
    ("a look at the database kept for the next turn", [
        (NGX + "db.c", "    db->looked = 0;\n", "    db->looked = (db->reader.probe != NULL);\n")],
     "t/e2e/reading.py", ["Reading.test_position"]),
    ("doctor opens a database for writing", [
        ("consumer/store/look.c", 'alone ? "immutable=1"', 'alone ? "immutable=0"')],
     "t/e2e/doctor.py", ["Doctor.test_restored_database"]),
    ("doctor reads as root", [
        ("consumer/doctor/database.c", "if (geteuid() != 0) {", "if (1) {")],
     "t/e2e/doctor.py", ["Doctor.test_without_a_daemon"]),

    # outcomes, and those who wait for them

    ("an outcome told before it is committed", [
        (NGX + "watch.c", "awaited->offset >= next) {", "awaited->offset > next) {")],
     OUTCOMES, ["Waiting.test_outcomes"]),
    ("an unknown outcome taken for none", [
        ("consumer/follow/chunk.c", "wh_keeper_begin(c->keeper, 0, position);",
         "wh_keeper_begin(c->keeper, 1, position);")],
     OUTCOMES, ["Outcomes.test_rebuilt"]),
    ("a duplicate told as if it were applied", [
        (NGX + "outcome.c", "        kept->verdict = WH_APPLIED;\n",
         "        kept->verdict = WH_APPLIED;\n    } else {\n        kept->verdict = WH_APPLIED;\n")],
     OUTCOMES, ["Waiting.test_outcomes"]),
    ("outcomes without the offsets of their notifications", [
        ("consumer/kafka/publisher.c",
         "    *(int64_t *) message->_private = message->offset;\n",
         "    *(int64_t *) message->_private = message->offset + 1;\n")],
     OUTCOMES, ["Outcomes.test_of_all_kinds"]),
    ("outcomes of another topic kept", [
        ("consumer/follow/recover.c", "        rc = wh_store_limit_outcomes(store, 0, err);",
         "        rc = WH_OK;")],
     OUTCOMES, ["Outcomes.test_another_topic_of_notifications"]),
    ("outcomes of a topic that was left kept", [
        ("consumer/follow/recover.c", "        rc = wh_store_set_meta(store, \"notifications_topic\",\n"
         "                               r->conf->notifications_topic, err);\n",
         "        rc = WH_OK;\n")],
     OUTCOMES, ["Outcomes.test_another_topic_half_read"]),
    ("markers taken for notifications where outcomes are counted", [
        ("consumer/follow/follow.c", "(f->high - m->offset) / 2 <= f->conf->outcomes",
         "f->high - m->offset <= f->conf->outcomes")],
     OUTCOMES, ["Outcomes.test_rebuilt_from_single_ones"]),

    # verify

    ("verify replays more than the database stands for", [
        ("consumer/follow/follow.c", "    if (m->offset >= f->high) {", "    if (m->offset < 0) {")],
     VERIFY, ["Verify.test_backups_under_load", "Verify.test_what_the_database_has_forgotten"]),
    ("verify forgets keys that the daemon keeps", [
        ("consumer/verify/compare.c", "r.id > newest_then - :keys", "r.id > newest_then - 1")],
     VERIFY, ["Partitions.test_keys_that_are_missing"]),
    ("verify does not look at versions", [
        ("consumer/verify/compare.c", " OR r.qty != h.qty OR r.version != h.version", " OR r.qty != h.qty")],
     VERIFY, ["Verify.test_every_difference"]),
    ("a wait that does not keep its worker", [
        (NGX + "follow.c", "    ngx_add_timer(&f->timer, f->pending ? ctx->wait : 0);",
         "    f->timer.cancelable = 1;\n"
         "    ((ngx_http_warehouse_watch_t *) f->commands[0].awaited.watch)->tick.cancelable = 1;\n"
         "    ngx_add_timer(&f->timer, f->pending ? ctx->wait : 0);")],
     OUTCOMES, ["Waiting.test_reload_and_quit"]),
    ("a read that does not wait for its position", [
        (NGX + "after.c", "    if (after->reached == after->n) {", "    if (after->reached <= after->n) {"),
        (NGX + "watch.c", "awaited->offset >= next) {", "awaited->offset > next + 1) {")],
     OUTCOMES, ["Waiting.test_min_position", "Waiting.test_outcomes"]),
    ("a batch half written and called accepted", [
        (NGX + "batch.c", "            return ngx_http_warehouse_batch_failed(write);\n        }\n    }",
         "            break;\n        }\n    }")],
     OUTCOMES, ["Batches.test_brokers_away"]),
    ("a batch with a line that is none", [
        (NGX + "lines.c", "    if (rc == WH_EJSON || rc == WH_ECOMMAND) {",
         "    if (rc == WH_EJSON || rc == WH_ECOMMAND) {\n        return NGX_DECLINED;")],
     OUTCOMES, ["Batches.test_refused_as_a_whole"]),
    ("a batch with a line that librdkafka does not take", [
        (NGX + "batch.c", "        if (ngx_http_warehouse_message_size(&message) > wmcf->kafka.largest) {",
         "        if (0) {")],
     OUTCOMES, ["Batches.test_too_large"]),
    ("a batch of which a part is written called accepted", [
        (NGX + "batch.c", "            return ngx_http_warehouse_batch_failed(write);\n        }\n    }",
         "            continue;\n        }\n    }")],
     OUTCOMES, ["Batches.test_too_large"]),
    ("what became of a command of another topic told as the first one's", [
        (NGX + "outcome.c", "    return a->action == b->action", "    return 1 || a->action == b->action")],
     OUTCOMES, ["Waiting.test_another_topic"]),
    ("what became of another command told", [
        (NGX + "outcome.c", "&& ngx_http_warehouse_outcome_same(&kept->command, &command);",
         "&& command.qty > 0;")],
     OUTCOMES, ["Waiting.test_topic_that_went_back"]),
    ("a batch under one key", [
        (NGX + "batch.c", '"%V:%ui", &key, i + 1)', '"%V", &key)')],
     OUTCOMES, ["Batches.test_sent_again"]),
    ("a condition sent to a daemon that may not know it", [
        (NGX + "command.c", "    case NGX_DECLINED:\n        return ngx_http_warehouse_problem(r, &unknown);",
         "    case NGX_DECLINED:\n        return NGX_DECLINED;")],
     OUTCOMES, ["Batches.test_conditions_not_understood"]),
    ("a condition that is not looked at", [
        ("consumer/ledger/rule.c", '        return "version_mismatch";', "        (void) 0;")],
     OUTCOMES, ["Outcomes.test_of_all_kinds"]),
    ("a condition on the stock that is not looked at", [
        ("consumer/ledger/rule.c", '        return "qty_mismatch";', "        (void) 0;")],
     OUTCOMES, ["Outcomes.test_of_all_kinds"]),
    ("a reference that is lost", [
        ("common/wh_kept.c", "    if (k->command.reference != NULL) {", "    if (0) {"),
        ("common/wh_kept.c", "    if (c->reference != NULL) {", "    if (0) {")],
     OUTCOMES, ["Outcomes.test_of_all_kinds"]),
    ("a trace that ends in Kafka", [
        ("consumer/ledger/message.c", "    m->traceparent = o->traceparent;", "    m->traceparent = NULL;")],
     OUTCOMES, ["Traces.test_handed_on"]),
    ("a wait without a limit to how many there are", [
        (NGX + "follow.c", "    if (ngx_http_warehouse_slot->following >= wmcf->max_waiting) {", "    if (0) {")],
     OUTCOMES, ["Waiting.test_too_many"]),
    ("the condition of a key forgotten", [
        ("consumer/store/keys.c",
         "    (void) sqlite3_bind_int64(stmt, 7, use->expected_version);",
         "    (void) sqlite3_bind_int64(stmt, 7, -1);")],
     KEYS, ["Keys.test_conditions"]),

    # those who follow the notifications

    ("an event skipped", [
        (NGX + "outcomes.c", "        rc = (sqlite3_column_int64(r->feed, 3) > behind)",
         "        rc = 0 && (sqlite3_column_int64(r->feed, 3) > behind)"),
        (NGX + "outcomes.c", "    return (rc == NGX_OK && behind < upto) ? NGX_DECLINED : rc;",
         "    return rc;")],
     NOTIFICATIONS, ["Notifications.test_further_back_than_is_kept"]),
    ("aborted notifications taken for missing ones", [
        ("consumer/store/outcomes.c", "== 0) ? WH_NONE : rc;", "== 0) ? WH_OK : rc;")],
     NOTIFICATIONS, ["Notifications.test_aborted"]),
    ("an event twice", [
        (NGX + "outcomes.c", "            || kept.notified < *next)", "            || kept.notified < 0)")],
     NOTIFICATIONS, ["Notifications.test_many_at_once"]),
    ("an event twice to one who catches up with others", [
        (NGX + "behind.c", "    if (!s->behind || !s->along || position < s->next) {",
         "    if (!s->behind || !s->along) {")],
     NOTIFICATIONS, ["Notifications.test_many_catch_up"]),
    ("an event lost to one who has no room", [
        (NGX + "behind.c", "        s->along = 0;\n        return;", "        s->next++;\n        return;")],
     NOTIFICATIONS, ["Notifications.test_many_catch_up"]),
    ("a prefix that is not looked at", [
        (NGX + "subscriber.c", "    return s->prefix.len <= command->sku_len", "    return 1 || s->prefix.len <= command->sku_len")],
     NOTIFICATIONS, ["Notifications.test_filters"]),
    ("Last-Event-ID not looked at", [
        (NGX + "notifications.c", "    if (ngx_http_warehouse_read_event_id(r, &args.offset) != NGX_OK) {", "    if (0) {")],
     NOTIFICATIONS, ["Notifications.test_all_of_them"]),
    ("followers without a limit", [
        (NGX + "notifications.c", "    if (ngx_http_warehouse_slot->subscribers >= wmcf->max_subscribers) {",
         "    if (0) {")],
     NOTIFICATIONS, ["Streams.test_too_many"]),
    ("a reset for no reason", [
        (NGX + "behind.c", "        if (rc == NGX_OK) {\n            ngx_http_warehouse_subscriber_join(s);",
         "        if (rc == NGX_OK) {\n            ngx_http_warehouse_behind_reset(s);")],
     NOTIFICATIONS, ["Notifications.test_all_of_them"]),
    ("a stream that holds its worker", [
        (NGX + "feed.c", "    if (ngx_exiting || ngx_quit || ngx_terminate) {", "    if (0) {")],
     NOTIFICATIONS, ["Streams.test_reload_and_quit"]),
    ("a slow reader that is not cut off", [
        (NGX + "stream.c", "    if (stream->full || stream->limit - stream->len < len) {",
         "    if (stream->full || (size_t) 1 << 30 < len) {"),
        (NGX + "stream.c", "stream->limit);", "(size_t) 1 << 30);")],
     NOTIFICATIONS, ["Streams.test_slow_readers"]),
    ("newcomers served before those who are on their way", [
        (NGX + "behind.c", "    return (one_waits == two_waits) ? one->next < two->next : two_waits;",
         "    (void) one_waits;\n    (void) two_waits;\n    return one->next < two->next;")],
     NOTIFICATIONS, ["Notifications.test_newcomers"]),
    ("events for a stream that is to end", [
        (NGX + "stream.c", "    return !stream->closing && !stream->ended",
         "    return !stream->ended")],
     NOTIFICATIONS, ["Streams.test_reload_while_events_come"]),
]


class Tree:
    """A copy of the tree with a build of its own."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="sabotage-", dir=os.environ["WAREHOUSE_TEST_DIR"])
        os.chmod(self.root, 0o755)
        files = subprocess.run(["git", "-C", stack.ROOT, "ls-files", "-z"], check=True,
                               capture_output=True).stdout.decode().split("\0")
        for name in filter(None, files):
            if os.path.exists(stack.ROOT + "/" + name):
                os.makedirs(os.path.dirname(self.root + "/" + name), exist_ok=True)
                shutil.copy2(stack.ROOT + "/" + name, self.root + "/" + name)
        os.symlink(stack.ROOT + "/deps", self.root + "/deps")
        self.env = {**os.environ, "WAREHOUSE_ROOT": self.root,
                    "WAREHOUSE_BUILD": self.root + "/build",
                    "WAREHOUSE_FAULT_BUILD": self.root + "/build/fault",
                    "PYTHONPATH": self.root + "/t/lib"}
        self.make()

    def make(self):
        # what is broken may well deserve a warning
        env = {**os.environ, "WERROR": ""}
        for args in ([], ["consumer", "FAILPOINTS=1", "BUILD=build/fault"]):
            subprocess.run(["make", "-s", "-C", self.root, *args], check=True, env=env)

    def read(self, name):
        with open(self.root + "/" + name) as f:
            return f.read()

    def write(self, name, text):
        with open(self.root + "/" + name, "w") as f:
            f.write(text)

    def test(self, name, tests):
        """Returns what the tests said of their first failure, or None."""
        said = []
        process = subprocess.Popen([self.root + "/" + name, *tests], env=self.env, cwd=self.root,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        with process:
            for line in process.stdout:
                if said and not line.startswith("#"):
                    break
                if said or line.startswith("not ok"):
                    said.append(line)
            process.terminate()        # what it started ends with it
        return "".join(said) or None

    def caught(self, changes, name, tests):
        """Returns what the test said, or None if it was content."""
        before = {name: self.read(name) for name, _, _ in changes}
        try:
            for changed, old, new in changes:
                text = self.read(changed)
                assert text.count(old) == 1, "%s has %d times: %s" % (changed, text.count(old), old)
                self.write(changed, text.replace(old, new))
            self.make()
            for _ in range(CHANCES):
                said = self.test(name, tests)
                if said:
                    break
            return said
        finally:
            for changed, text in before.items():
                self.write(changed, text)


def main():
    word = os.environ.get("SABOTAGE", "1")
    chosen = (SABOTAGES[int(word) - 1:] if word.isdigit()
              else [s for s in SABOTAGES if any(w in s[0] for w in word.split("|"))])
    tree = Tree()
    print("1..%d" % len(chosen), flush=True)
    for n, (what, changes, name, tests) in enumerate(chosen, 1):
        said = tree.caught(changes, name, tests)
        print("%s %d %s: %s %s" % ("ok" if said else "not ok", n, what, name, " ".join(tests)),
              flush=True)
        for line in (said or "").splitlines():
            if "Error" in line:
                print("#   " + line[:150], flush=True)


if __name__ == "__main__":
    main()
    sys.exit(0)
