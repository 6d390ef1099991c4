"""The rules for a command, a second time, in plain Python: what the tests
judge the C code by.  RFC 8259 for the text, RFC 7493 for the integer."""

import base64
import collections
import json
import re
import sys

sys.set_int_max_str_digits(0)

MAX = 2**53 - 1
DEPTH = 64
HEADERS = 1000                     # of a record
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
SPACE = b" \t\n\r"


# conditions and the reference are None where there are none
Command = collections.namedtuple("Command", "action sku qty expected_version expected_qty"
                                            " reference", defaults=(None,) * 3)


class NotJSON(Exception):
    """HTTP 400"""


class NotCommand(Exception):
    """HTTP 422"""


class Members(list):
    """A JSON object as its pairs, duplicates included."""


def number(text):
    try:
        return float(text)
    except OverflowError:
        return float("inf")


def refuse_constant(text):
    raise NotJSON(text)


def check_strings(value, depth):
    """U+0000, lone surrogates and nesting, which Python's decoder lets pass."""
    if isinstance(value, str):
        if "\x00" in value or re.search("[\ud800-\udfff]", value):
            raise NotJSON("character")
    elif isinstance(value, list):
        if depth == DEPTH:
            raise NotJSON("depth")
        for element in value:
            if isinstance(value, Members):
                check_strings(element[0], depth + 1)
                check_strings(element[1], depth + 1)
            else:
                check_strings(element, depth + 1)


def decode(data):
    """Returns the Command of its bytes, or raises."""
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError as e:
        raise NotJSON(str(e))
    if text.startswith("\ufeff"):
        raise NotJSON("BOM")
    try:
        value = json.loads(text, object_pairs_hook=Members, parse_int=number,
                           parse_float=number, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as e:
        raise NotJSON(str(e))
    check_strings(value, 0)
    if not isinstance(value, Members):
        raise NotCommand("object")
    members = dict(value)
    if len(members) != len(value):
        raise NotJSON("duplicate")

    action, sku, qty = (members.get(k) for k in ("action", "sku", "qty"))
    if not isinstance(action, str) or action not in ("increase", "decrease"):
        raise NotCommand("action")
    if not isinstance(sku, str) or not 1 <= len(sku.encode()) <= 255 or CONTROL.search(sku):
        raise NotCommand("sku")
    if not isinstance(qty, float) or not 1 <= qty <= MAX or qty != int(qty):
        raise NotCommand("qty")
    conditions = []
    for name in ("expected_version", "expected_qty"):
        value = members.get(name)
        if name in members and (not isinstance(value, float) or not 0 <= value <= MAX
                                or value != int(value)):
            raise NotCommand(name)
        conditions.append(None if name not in members else int(value))
    reference = members.get("reference")
    if "reference" in members and (not isinstance(reference, str)
                                   or len(reference.encode()) > 255):
        raise NotCommand("reference")
    return Command(action, sku, int(qty), *conditions, reference)


ESCAPES = {'"': '\\"', "\\": "\\\\"}
ESCAPED = re.compile('["\\\\\x00-\x1f]')


def quote(text):
    """As the C code writes a string: what need not be escaped is not."""
    return '"%s"' % ESCAPED.sub(lambda m: ESCAPES.get(m[0]) or "\\u%04x" % ord(m[0]), text)


def fields(command):
    """The members of a command, as they go to notifications, rejections and the log."""
    text = '"action":"%s","sku":%s,"qty":%d' % (command.action, quote(command.sku), command.qty)
    if command.expected_version is not None:
        text += ',"expected_version":%d' % command.expected_version
    if command.expected_qty is not None:
        text += ',"expected_qty":%d' % command.expected_qty
    if command.reference is not None:
        text += ',"reference":' + quote(command.reference)
    return text


def source(topic, partition, offset):
    return '{"topic":"%s","partition":%d,"offset":%d}' % (topic, partition, offset)


def members(command):
    """The same as a dictionary."""
    return {name: value for name, value in command._asdict().items() if value is not None}


def notification(command, stock, version, topic, partition, offset):
    """The exact text of a notification."""
    return ('{%s,"stock":%d,"version":%d,"source":%s}'
            % (fields(command), stock, version, source(topic, partition, offset)))


TRACE_PARENT = "traceparent"
TRACE_STATE = "tracestate"


def trace(headers):
    """What of a record's headers goes on to the one that tells of its outcome:
    W3C Trace Context, the parent once and well-formed, the state with it."""
    values = {name: [value for n, value in headers if n == name]
              for name in (TRACE_PARENT, TRACE_STATE)}
    parent, state = values[TRACE_PARENT], values[TRACE_STATE]
    match = len(headers) <= HEADERS and len(parent) == 1 and re.fullmatch(
        rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?", parent[0] or b"")
    if not match or len(parent[0]) > 255 or match[1] == b"ff" \
            or match[1] == b"00" and match[4] is not None \
            or match[2] == b"0" * 32 or match[3] == b"0" * 16:
        return {}
    found = {TRACE_PARENT: parent[0].decode()}
    if len(state) == 1 and re.fullmatch(rb"[\t -~]{1,1024}", state[0] or b""):
        found[TRACE_STATE] = state[0].decode()
    return found


KEY = "idempotency-key"
TIME = "source-timestamp"
RETENTION = 24 * 3600 * 1000
MALFORMED_MAX = 256 * 1024         # bytes of a malformed command in a rejection


class Ledger:
    """The rule of the ledger, applied to commands in order."""

    def __init__(self, topic, retention=RETENTION, keys_max=None):
        self.topic = topic
        self.retention = retention
        self.keys_max = keys_max
        self.items = {}            # sku -> (qty, version)
        self.keys = {}             # (sku, key) -> (command's sense, time, partition, offset)
        self.notifications = []    # (exact text, headers), in order
        self.rejections = []       # (key, exact text, headers), in order
        self.outcomes = {}         # (partition, offset) -> what became of it
        self.refused = 0
        self.malformed = 0
        self.duplicates = 0

    def apply(self, data, partition, offset, timestamp=0, headers=()):
        try:
            command = decode(data or b"")
            key = self.key(headers)
        except (NotJSON, NotCommand) as e:
            self.malformed += 1
            self.reject_malformed(data, e, partition, offset, trace(headers))
            return
        sku = command.sku
        stock, version = self.items.get(sku, (0, 0))
        sense = command._replace(reference=None)
        reason = original = None
        seen = key and self.keys.get((sku, key))
        if seen and timestamp < seen[1] + self.retention:
            if seen[0] == sense:
                self.duplicates += 1
                original = seen[2:]
                reason = "idempotency_key_repeated"
            else:
                reason = "idempotency_key_reused"
        else:
            reason = self.refuses(command, stock, version)
        sent = {**({KEY: key} if key else {}), **trace(headers)}
        if reason:
            self.refused += original is None
            self.reject(command, stock, version, partition, offset, reason, original, sent)
            return
        stock += command.qty if command.action == "increase" else -command.qty
        version += 1
        self.items[sku] = stock, version
        if key:
            self.keys.pop((sku, key), None)
            self.keys[sku, key] = sense, timestamp, partition, offset
            while self.keys_max and len(self.keys) > self.keys_max:
                del self.keys[next(iter(self.keys))]
            sent[TIME] = str(timestamp)
        self.notifications.append((notification(command, stock, version, self.topic, partition,
                                                offset), sent))
        self.outcomes[partition, offset] = {"status": "applied", **members(command),
                                            "stock": stock, "version": version}

    @staticmethod
    def refuses(command, stock, version):
        if command.expected_version not in (None, version):
            return "version_mismatch"
        if command.expected_qty not in (None, stock):
            return "qty_mismatch"
        if command.action == "decrease" and version == 0:
            return "unknown_sku"
        if command.action == "decrease" and command.qty > stock:
            return "insufficient_stock"
        if command.action == "increase" and stock + command.qty > MAX:
            return "stock_limit"
        return None

    @staticmethod
    def key(headers):
        if len(headers) > HEADERS:
            raise NotCommand("headers")
        values = [value for name, value in headers if name == KEY]
        if not values:
            return None
        if len(values) > 1 or not re.fullmatch(rb"[!-~]{1,255}", values[0] or b""):
            raise NotCommand("idempotency_key")
        return values[0].decode()

    def reject(self, command, stock, version, partition, offset, reason, original, headers):
        text = ('{"outcome":"%s","reason":"%s",%s,"stock":%d,"version":%d,"source":%s'
                % ("duplicate" if original else "refused", reason, fields(command), stock, version,
                   source(self.topic, partition, offset)))
        outcome = {"status": "refused", "reason": reason, **members(command), "stock": stock,
                   "version": version}
        if original:
            text += ',"original":' + source(self.topic, *original)
            outcome.update(status="duplicate", original="%d:%d" % original)
        self.outcomes[partition, offset] = outcome
        self.rejections.append((command.sku, text + "}", headers))

    def reject_malformed(self, data, why, partition, offset, headers):
        """The reason is compared by its kind only: the C code's words differ."""
        value = "null" if data is None else \
            '"%s"' % base64.b64encode(data[:MALFORMED_MAX]).decode()
        text = ('{"outcome":"malformed","reason":"*","source":%s,"size":%d,"value":%s}'
                % (source(self.topic, partition, offset), len(data or b""), value))
        self.outcomes[partition, offset] = {"status": "malformed", "reason": "*"}
        self.rejections.append((None, text, headers))
