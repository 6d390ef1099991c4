"""The rules for a command, a second time, in plain Python: what the tests
judge the C code by.  RFC 8259 for the text, RFC 7493 for the integer."""

import base64
import json
import re
import sys

sys.set_int_max_str_digits(0)

MAX = 2**53 - 1
DEPTH = 64
HEADERS = 1000                     # of a record
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
SPACE = b" \t\n\r"


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
    """Returns (action, sku, qty) of a command's bytes, or raises."""
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
    return action, sku, int(qty)


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def source(topic, partition, offset):
    return '{"topic":"%s","partition":%d,"offset":%d}' % (topic, partition, offset)


def notification(action, sku, qty, stock, version, topic, partition, offset):
    """The exact text of a notification."""
    return ('{"action":"%s","sku":%s,"qty":%d,"stock":%d,"version":%d,"source":%s}'
            % (action, quote(sku), qty, stock, version, source(topic, partition, offset)))


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
        self.keys = {}             # (sku, key) -> (action, qty, time, partition, offset)
        self.notifications = []    # (exact text, headers), in order
        self.rejections = []       # (key, exact text, headers), in order
        self.refused = 0
        self.malformed = 0
        self.duplicates = 0

    def apply(self, data, partition, offset, timestamp=0, headers=()):
        try:
            action, sku, qty = decode(data or b"")
            key = self.key(headers)
        except (NotJSON, NotCommand) as e:
            self.malformed += 1
            self.reject_malformed(data, e, partition, offset)
            return
        stock, version = self.items.get(sku, (0, 0))
        reason = original = None
        seen = key and self.keys.get((sku, key))
        if seen and timestamp < seen[2] + self.retention:
            if seen[:2] == (action, qty):
                self.duplicates += 1
                original = seen[3:]
                reason = "idempotency_key_repeated"
            else:
                reason = "idempotency_key_reused"
        elif action == "decrease" and version == 0:
            reason = "unknown_sku"
        elif action == "decrease" and qty > stock:
            reason = "insufficient_stock"
        elif action == "increase" and stock + qty > MAX:
            reason = "stock_limit"
        if reason:
            self.refused += original is None
            self.reject(action, sku, qty, stock, partition, offset, reason, original, key)
            return
        stock += qty if action == "increase" else -qty
        version += 1
        self.items[sku] = stock, version
        if key:
            self.keys.pop((sku, key), None)
            self.keys[sku, key] = action, qty, timestamp, partition, offset
            while self.keys_max and len(self.keys) > self.keys_max:
                del self.keys[next(iter(self.keys))]
        headers = {KEY: key, TIME: str(timestamp)} if key else {}
        self.notifications.append((notification(action, sku, qty, stock, version, self.topic,
                                                partition, offset), headers))

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

    def reject(self, action, sku, qty, stock, partition, offset, reason, original, key):
        text = ('{"outcome":"%s","reason":"%s","action":"%s","sku":%s,"qty":%d,"stock":%d,"source":%s'
                % ("duplicate" if original else "refused", reason, action, quote(sku), qty, stock,
                   source(self.topic, partition, offset)))
        if original:
            text += ',"original":' + source(self.topic, *original)
        self.rejections.append((sku, text + "}", {KEY: key} if key else {}))

    def reject_malformed(self, data, why, partition, offset):
        """The reason is compared by its kind only: the C code's words differ."""
        value = "null" if data is None else \
            '"%s"' % base64.b64encode(data[:MALFORMED_MAX]).decode()
        text = ('{"outcome":"malformed","reason":"*","source":%s,"size":%d,"value":%s}'
                % (source(self.topic, partition, offset), len(data or b""), value))
        self.rejections.append((None, text, {}))
