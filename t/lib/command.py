"""The rules for a command, a second time, in plain Python: what the tests
judge the C code by.  RFC 8259 for the text, RFC 7493 for the integer."""

import json
import re
import sys

sys.set_int_max_str_digits(0)

MAX = 2**53 - 1
DEPTH = 64
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


def notification(action, sku, qty, stock, version, topic, partition, offset):
    """The exact text of a notification."""
    return ('{"action":"%s","sku":%s,"qty":%d,"stock":%d,"version":%d,'
            '"source":{"topic":"%s","partition":%d,"offset":%d}}'
            % (action, quote(sku), qty, stock, version, topic, partition, offset))


class Ledger:
    """The rule of the ledger, applied to commands in order."""

    def __init__(self, topic):
        self.topic = topic
        self.items = {}            # sku -> (qty, version)
        self.notifications = []    # exact texts, in order
        self.refused = 0
        self.malformed = 0

    def apply(self, data, partition, offset):
        try:
            action, sku, qty = decode(data or b"")
        except (NotJSON, NotCommand):
            self.malformed += 1
            return
        stock, version = self.items.get(sku, (0, 0))
        if action == "decrease":
            qty_signed = -qty
            possible = version > 0 and qty <= stock
        else:
            qty_signed = qty
            possible = stock + qty <= MAX
        if not possible:
            self.refused += 1
            return
        stock, version = stock + qty_signed, version + 1
        self.items[sku] = stock, version
        self.notifications.append(notification(action, sku, qty, stock, version,
                                               self.topic, partition, offset))
