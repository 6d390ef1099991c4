#!/usr/bin/env python3
"""Breaks the code on purpose, one thing at a time, in a copy of the tree: the
tests named with it must fail.  script/test sabotage [name ...]; with
SABOTAGE=word only those whose name holds the word."""

import os
import shutil
import subprocess
import sys
import tempfile

import stack

KILLS = "t/fault/kills.py"
RECOVERY = "t/e2e/recovery.py"

# (what, [(file, old text, new text), ...], test file, tests)
SABOTAGES = [
    ("SQLite committed before Kafka", [
        ("consumer/wh_daemon.c",
         "        rc = wh_daemon_publish(s, slice, err);\n",
         "        (void) wh_store_commit(s->store, err);\n"
         "        rc = wh_daemon_publish(s, slice, err);\n"
         "        if (rc == WH_OK) rc = wh_store_begin(s->store, err);\n")],
     KILLS, ["Kills.test_error"]),
    ("the batch committed item by item", [
        ("consumer/wh_batch.c",
         "                               &e->now, err);\n        if (rc != WH_OK) {",
         "                               &e->now, err);\n"
         "        if (rc == WH_OK) rc = wh_store_commit(store, err);\n"
         "        if (rc == WH_OK) rc = wh_store_begin(store, err);\n"
         "        if (rc != WH_OK) {")],
     KILLS, ["Kills.test_slow"]),
    ("the guard of the UPDATE left out", [
        ("consumer/wh_store_sql.c", '" WHERE sku = ?1 AND version = ?4"',
         '" WHERE sku = ?1 AND ?4 = ?4"')],
     RECOVERY, ["Recovery.test_other_writer_between_read_and_write"]),
    ("older notifications applied", [
        ("consumer/wh_follow.c", "if (rc != WH_OK || n->version < item.version) {",
         "if (rc != WH_OK) {")],
     RECOVERY, ["Recovery.test_other_writers_change_survives_recovery"]),
    ("the sources of notifications ignored", [
        ("consumer/wh_follow.c", "    if (rc != WH_OK || next > n->offset) {\n        return rc;",
         "    if (rc != WH_OK || next > n->offset || next == -1) {\n        return rc;")],
     RECOVERY, ["Recovery.test_lost_database_and_group_offsets"]),
    ("recovered positions not stored", [
        ("consumer/wh_recover.c", "    if (rc != WH_OK || stored == start->offset) {",
         "    if (rc != WH_OK || stored != -1) {")],
     "t/e2e/stops.py", ["Stops.test_trimmed_commands"]),
    ("a position taken back to an end that was passed", [
        ("consumer/wh_daemon.c", "        if (end->offset > next->offset) {",
         "        if (1) {")],
     KILLS, ["Kills.test_error"]),
    ("a stop of the transaction taken for a take-over's end", [
        ("consumer/wh_session.c", "end = wh_clock() + WH_SESSION_HEARTBEATS;",
         "end = wh_clock();")],
     KILLS, ["Kills.test_taken_over"]),
    ("no fence at all", [
        ("consumer/wh_client.c",
         'return wh_client_set(rkconf, "transactional.id", conf->group_id, err);',
         'char id[64]; (void) snprintf(id, 64, "%ld", (long) rkconf);'
         ' return wh_client_set(rkconf, "transactional.id", id, err);'),
        ("consumer/wh_session.c", "s->metadata = rd_kafka_consumer_group_metadata(rk);",
         "s->metadata = rd_kafka_consumer_group_metadata_new(s->conf->group_id);")],
     KILLS, ["Kills.test_taken_over"]),
    ("keys not recovered", [
        ("consumer/wh_follow.c", "        rc = wh_follow_key(f, &n, m, err);", "        rc = WH_OK;")],
     "t/e2e/keys.py", ["Keys.test_recovered"]),
    ("a refused command uses its key up", [
        ("consumer/wh_batch.c", "if (key != NULL && o->verdict == WH_APPLIED) {",
         "if (key != NULL) {"),
        ("consumer/wh_batch.c", "if (o->key == NULL || o->verdict != WH_APPLIED) {",
         "if (o->key == NULL) {")],
     "t/e2e/keys.py", ["Keys.test_refused_keeps_the_key"]),
    ("keys without the scope of their sku", [
        ("consumer/wh_store_sql.c", '" WHERE sku = ?1 AND key = ?2"', '" WHERE ?1 = ?1 AND key = ?2"'),
        ("consumer/wh_batch.c", "HASH_FIND(hh, b->keys, name, len, k);", "k = NULL;")],
     "t/e2e/keys.py", ["Keys.test_sku_is_the_scope", "Keys.test_kafka"]),
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
        for args in ([], ["consumer", "FAILPOINTS=1", "BUILD=build/fault"]):
            subprocess.run(["make", "-s", "-C", self.root, *args], check=True)

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
            return self.test(name, tests)
        finally:
            for changed, text in before.items():
                self.write(changed, text)


def main():
    word = os.environ.get("SABOTAGE", "")
    chosen = [s for s in SABOTAGES if word in s[0]]
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
