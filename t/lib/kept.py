"""The rows of the table outcomes, read a second time in plain Python, by what
common/wh_kept.h says of their form."""

import collections

VERDICTS = ["applied", "refused", "duplicate", "malformed"]
DECREASE, VERSION, QTY, REFERENCE = 4, 8, 16, 32

Row = collections.namedtuple("Row", "id topic partition first last since until complete outcomes")


class Bytes:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self):
        n = self.number()
        text = self.data[self.at:self.at + n].decode()
        self.at += n
        assert self.byte() == 0
        return text


def command_of(b, flags):
    members = {"action": "decrease" if flags & DECREASE else "increase", "sku": b.text(),
               "qty": b.number()}
    if flags & VERSION:
        members["expected_version"] = b.number()
    if flags & QTY:
        members["expected_qty"] = b.number()
    if flags & REFERENCE:
        members["reference"] = b.text()
    return members


def unpack(data, first, since):
    """Returns (complete, {offset: outcome}); an outcome as the oracle has it,
    with the offset of its notification as "notified"."""
    b = Bytes(data)
    complete = b.byte()
    assert complete in (0, 1)
    found = {}
    while b.at < len(data):
        flags = b.byte()
        verdict = VERDICTS[flags & 3]
        offset = first + b.number()
        first = offset + 1
        outcome = {"status": verdict}
        if verdict != "malformed":
            outcome.update(command_of(b, flags))
            outcome["stock"] = b.number()
            outcome["version"] = b.number()
        if verdict == "applied":
            outcome["notified"] = since + b.number()
            since = outcome["notified"] + 1
        elif verdict == "duplicate":
            outcome["reason"] = "idempotency_key_repeated"
            outcome["original"] = "%d:%d" % (b.number(), b.number())
        else:
            outcome["reason"] = b.text()
        found[offset] = outcome
    return bool(complete), found


def rows(sql):
    """All rows, in the order they were written; sql runs a statement."""
    if not sql("SELECT 1 FROM sqlite_schema WHERE name = 'outcomes'"):
        return []
    found = []
    for id, topic, partition, first, last, since, until, data in sql(
            "SELECT id, topic, partition, first, last, since, until, data FROM outcomes"
            " ORDER BY id"):
        found.append(Row(id, topic, partition, first, last, since, until,
                         *unpack(data, first, since)))
    return found
